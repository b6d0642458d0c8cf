"""FaceForensics++ (Rössler et al., ICCV 2019): clips, four manipulations, official splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from magdr_video.benchmark.clip_faces import faces_of_clips
from magdr_video.benchmark.datasets import Item, check_split, missing
from magdr_video.errors import InputError, SettingsError, nearest

MANIPULATIONS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
COMPRESSIONS = ("raw", "c23", "c40")
FILES = {"train": "train.json", "validation": "val.json", "test": "test.json"}

SOURCE = (
    "fill in the request form of FaceForensics++ (Technical University of Munich), "
    "then fetch the videos with the script that is sent, and its splits folder"
)


class FaceForensics:
    """A reader of the folder as the official script lays it out.

    Args:
        root: holds `original_sequences/youtube/COMPRESSION/videos/ID.mp4`,
            `manipulated_sequences/NAME/COMPRESSION/videos/TARGET_SOURCE.mp4`, and the lists
            `train.json`, `val.json`, `test.json`, flat or in `splits/`.
        compression: raw, c23 or c40.
        manipulations: those wanted; all four by default.

    Raises:
        SettingsError: an unknown compression or manipulation.
        InputError: folders or lists are missing; all of them are named.
    """

    name = "faceforensics"
    about = "FaceForensics++ (Rössler et al., ICCV 2019), official splits; by request, research"
    holds = "clips"
    smoke = False

    def __init__(
        self,
        root: Path,
        *,
        compression: str = "c23",
        manipulations: Sequence[str] = MANIPULATIONS,
    ) -> None:
        if compression not in COMPRESSIONS:
            hint = nearest(compression, COMPRESSIONS)
            raise SettingsError(f"'{compression}' is no compression of FaceForensics++", hint=hint)
        for name in manipulations:
            if name not in MANIPULATIONS:
                hint = nearest(name, MANIPULATIONS)
                raise SettingsError(f"'{name}' is no manipulation of FaceForensics++", hint=hint)
        self.root = root
        self.manipulations = tuple(manipulations)
        self._genuine = root / "original_sequences" / "youtube" / compression / "videos"
        forged = root / "manipulated_sequences"
        self._forged = {name: forged / name / compression / "videos" for name in manipulations}
        lists = {f: self._list(f) for f in FILES.values()}
        lacking = [f for f, path in lists.items() if path is None]
        folders = [self._genuine, *self._forged.values()]
        lacking += [p.relative_to(root).as_posix() for p in folders if not p.is_dir()]
        if lacking:
            raise missing(lacking, "FaceForensics++", root, source=SOURCE)
        self._lists = {f: path for f, path in lists.items() if path is not None}

    def _list(self, file: str) -> Path | None:
        places = (self.root / file, self.root / "splits" / file)
        return next((path for path in places if path.is_file()), None)

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """The pairs of sequences of a split; each is forged in both directions.

        Raises:
            UsageError: there is no such split.
            InputError: the list is not a JSON list of pairs.
        """
        path = self._lists[FILES[check_split(split)]]
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return [(str(first), str(second)) for first, second in held]
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is no list of pairs: {error}", hint=SOURCE) from error

    def items(self, split: str) -> tuple[Item, ...]:
        """Genuine clips, then each manipulation's; the identity is the one whose body is seen.

        Raises:
            UsageError: there is no such split.
            InputError: clips that the split names are missing.
        """
        pairs = self.pairs(split)
        ways = sorted([*pairs, *((b, a) for a, b in pairs)])
        seen = sorted({name for pair in pairs for name in pair})
        items = [self._item(self._genuine / f"{name}.mp4", name, "") for name in seen]
        for manipulation, folder in self._forged.items():
            items += [self._item(folder / f"{a}_{b}.mp4", a, manipulation) for a, b in ways]
        lacking = [item.name for item in items if not item.path.is_file()]
        if lacking:
            raise missing(lacking, "FaceForensics++", self.root, source=SOURCE)
        return tuple(items)

    def images(self, items: Sequence[Item], size: int) -> Tensor:
        """A face of each clip, aligned: (F, 3, size, size) in [0, 1]."""
        return faces_of_clips(items, size)

    def _item(self, path: Path, identity: str, manipulation: str) -> Item:
        name = path.relative_to(self.root).as_posix()
        return Item(name, path, identity, manipulation=manipulation)
