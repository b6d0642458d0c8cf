"""CelebA (Liu et al., ICCV 2015): aligned images, 40 attributes, identities, official splits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from torch import Tensor

from magdr_video.benchmark.datasets import Item, check_split, missing, stack_images
from magdr_video.errors import InputError

PARTITIONS = {"train": "0", "validation": "1", "test": "2"}
"""Codes of list_eval_partition.txt."""

CROP = 178
"""Centre that StarGAN keeps of the 178 x 218 aligned images."""

SOURCE = (
    "get 'Align&Cropped Images', 'Anno' and 'Eval' from the project page of CelebA "
    "(Multimedia Laboratory, The Chinese University of Hong Kong), for research only"
)


class CelebA:
    """A reader of the folder as the archive unpacks it, or with the lists beside the images.

    Args:
        root: holds `img_align_celeba/`, `list_attr_celeba.txt`, `identity_CelebA.txt` and
            `list_eval_partition.txt`, flat or in the archive's `Img`, `Anno` and `Eval`.

    Raises:
        InputError: some of these are missing; all of them are named.
    """

    name = "celeba"
    about = "CelebA (Liu et al., ICCV 2015), official partition; non-commercial research"
    holds = "images"
    smoke = False

    def __init__(self, root: Path) -> None:
        places = {
            "img_align_celeba": ("", "Img"),
            "list_attr_celeba.txt": ("", "Anno"),
            "identity_CelebA.txt": ("", "Anno"),
            "list_eval_partition.txt": ("", "Eval"),
        }
        found = {
            name: next((root / p / name for p in folders if (root / p / name).exists()), None)
            for name, folders in places.items()
        }
        lacking = [name for name, path in found.items() if path is None]
        if lacking:
            raise missing(lacking, "CelebA", root, source=SOURCE)
        self.root = root
        self._paths = {name: path for name, path in found.items() if path is not None}

    def _pairs(self, name: str) -> dict[str, str]:
        """File name to the one word behind it."""
        lines = self._paths[name].read_text(encoding="ascii").splitlines()
        words = [line.split() for line in lines if line.strip()]
        wrong = next((n for n, w in enumerate(words, 1) if len(w) != 2), None)
        if wrong is not None:
            raise InputError(f"{self._paths[name]}: line {wrong} has not two words", hint=SOURCE)
        return {file: value for file, value in words}

    @cached_property
    def _attributes(self) -> tuple[list[str], dict[str, list[str]]]:
        lines = self._paths["list_attr_celeba.txt"].read_text(encoding="ascii").splitlines()
        names = lines[1].split()
        rows = {(words := line.split())[0]: words[1:] for line in lines[2:] if line.strip()}
        short = next((file for file, row in rows.items() if len(row) != len(names)), None)
        if short is not None:
            path = self._paths["list_attr_celeba.txt"]
            raise InputError(f"{path}: {short} has not {len(names)} attributes", hint=SOURCE)
        return names, rows

    @cached_property
    def _identities(self) -> dict[str, str]:
        return self._pairs("identity_CelebA.txt")

    @cached_property
    def _partition(self) -> dict[str, str]:
        return self._pairs("list_eval_partition.txt")

    def items(self, split: str) -> tuple[Item, ...]:
        """Images of a split by number, with identity and attributes.

        Raises:
            UsageError: there is no such split.
            InputError: images of the split are missing, or lists do not know them.
        """
        code = PARTITIONS[check_split(split)]
        files = sorted(file for file, part in self._partition.items() if part == code)
        names, rows = self._attributes
        images = self._paths["img_align_celeba"]
        lacking = [f for f in files if f not in rows or f not in self._identities]
        lacking += [f for f in files if not (images / f).exists()]
        if lacking:
            raise missing(lacking, "CelebA", self.root, source=SOURCE)
        return tuple(
            Item(
                name=f"img_align_celeba/{file}",
                path=images / file,
                identity=self._identities[file],
                attributes={n: v == "1" for n, v in zip(names, rows[file], strict=True)},
            )
            for file in files
        )

    def images(self, items: Sequence[Item], size: int) -> Tensor:
        """The centre of 178 px, resized: (F, 3, size, size) in [0, 1]."""
        return stack_images(items, size, crop=CROP)
