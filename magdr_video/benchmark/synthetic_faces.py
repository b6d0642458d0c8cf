"""The synthetic OMI faces, which depict nobody: the default of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from magdr_video.benchmark.datasets import Item, check_split, missing, stack_images

LAST_DIGITS = {"train": "01256789", "validation": "3", "test": "4"}
"""An identity's split is the last digit of its number. The shipped weights were trained on the
first group only; numbers that end in 7 are not part of the usual copy."""

SOURCE = (
    "get the images of One Million Impressions (Peterson et al., PNAS 2022) from their project "
    "page as omi/images/N.jpg, and name the folder that holds omi with --data"
)


class SyntheticFaces:
    """StyleGAN2 faces in FFHQ's alignment, one identity an image.

    Args:
        root: holds `omi/images/N.jpg`.

    Raises:
        InputError: it does not.
    """

    name = "synthetic"
    about = (
        "One Million Impressions (Peterson et al., PNAS 2022), StyleGAN2 faces that depict "
        "nobody, CC BY-NC-SA 4.0; split by the last digit of the number"
    )
    holds = "images"
    smoke = False

    def __init__(self, root: Path) -> None:
        folder = root / "omi" / "images"
        found = [path for path in folder.glob("*.jpg") if path.stem.isdecimal()]
        if not found:
            raise missing(["omi/images/N.jpg"], "synthetic faces", root, source=SOURCE)
        self._files = sorted(found, key=lambda path: int(path.stem))

    def items(self, split: str) -> tuple[Item, ...]:
        """The split's faces by number.

        Raises:
            UsageError: there is no such split.
        """
        digits = LAST_DIGITS[check_split(split)]
        chosen = [path for path in self._files if path.stem[-1] in digits]
        return tuple(Item(f"omi/images/{path.name}", path, path.stem) for path in chosen)

    def images(self, items: Sequence[Item], size: int) -> Tensor:
        """(F, 3, size, size) in [0, 1], reduced by area."""
        return stack_images(items, size)
