"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as held:
        for piece in iter(lambda: held.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
