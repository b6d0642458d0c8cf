"""SHA-256 sums of weights, and the file that records them. Loads no torch.

    python -m magdr_video.models.manifest

records the sums of the shipped weights anew. Run it whenever a file in `models/weights/` changes;
until then the changed file is refused.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from magdr_video.errors import WeightsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MANIFEST = "manifest.toml"
SHIPPED = Path(__file__).parent / "weights"
"""Where the weights of this package lie."""


def user_folder() -> Path:
    """Where the user's own weights lie: $MAGDR_WEIGHTS, else below $XDG_DATA_HOME."""
    named = os.environ.get("MAGDR_WEIGHTS")
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "magdr-video" / "weights"


def sha256(data: bytes) -> str:
    """The sum in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_manifest(folder: Path) -> dict[str, str]:
    """Name of weights to SHA-256; {} where the folder has no manifest.

    Raises:
        WeightsError: the manifest is no TOML table of strings.
    """
    path = folder / MANIFEST
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    return {name: str(value) for name, value in held.items()}


def write_manifest(folder: Path = SHIPPED, *, only: str | None = None) -> dict[str, str]:
    """Record the sums of the `*.safetensors` in a folder, and return all that are recorded.

    Args:
        folder: where the weights and their manifest lie.
        only: record this name and keep what is recorded of the others.
    """
    paths = [path for path in folder.glob("*.safetensors") if only in (None, path.stem)]
    sums = {path.stem: sha256(path.read_bytes()) for path in paths}
    if only is not None:
        sums = read_manifest(folder) | sums
    lines = [f'"{name}" = "{value}"\n' for name, value in sorted(sums.items())]
    head = "# SHA-256 of the weights beside this file: python -m magdr_video.models.manifest\n"
    part = folder / f"{MANIFEST}.part"
    part.write_text(head + "".join(lines), encoding="utf-8")
    part.replace(folder / MANIFEST)
    return sums


def main() -> None:
    """`python -m magdr_video.models.manifest [FOLDER]`."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    for name, value in write_manifest(folder).items():
        print(f"{value}  {name}")


if __name__ == "__main__":
    main()
