"""The values that travel between rooms.

Letters: N frames in a batch, F faces in a batch (all frames, flat), H W frame, S crop side,
R regions. Images between rooms are float32 RGB in [0, 1], planes first; frames stay the 8- or
16-bit planes that the decoder gave.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Colour:
    """How the numbers in the planes become light."""

    matrix: str = "bt709"
    """'bt601', 'bt709', 'bt2020' or 'rgb': the YCbCr matrix used for conversion."""
    full_range: bool = False
    """True when luma spans 0..255 (or 0..1023), False for 16..235."""
    primaries: int = 2
    """As coded in the stream (ISO/IEC 23091-2); 2 is unspecified. Carried through."""
    transfer: int = 2
    """As coded in the stream; 16 is PQ, 18 is HLG. Carried through."""
    coded_matrix: int = 2
    """As coded in the stream; carried through."""
    guessed: bool = False
    """True when the stream said nothing and `matrix` follows the frame's height."""


@dataclass(frozen=True)
class FrameBatch:
    """N consecutive decoded frames of one clip, upright."""

    planes: tuple[NDArray[Any], ...]
    """1 or 3 arrays (N, h, w), uint8 or (above 8 bits) uint16: Y, U, V (grey: Y alone)."""
    pts: NDArray[np.int64]
    """(N,) presentation times in units of `time_base`."""
    durations: NDArray[np.int64]
    """(N,) in units of `time_base`; 0 where unknown."""
    time_base: Fraction
    """Seconds per tick."""
    pixel_format: str
    """FFmpeg's name of the planar format, such as 'yuv420p' or 'yuv420p10le'."""
    bits: int
    """Significant bits a sample: 8, 10, 12."""
    colour: Colour
    """Matrix, range and the tags to carry over."""
    first_index: int
    """Index of the first frame in the clip."""
    cut: NDArray[np.bool_]
    """(N,) True where a frame begins a new shot."""

    def __post_init__(self) -> None:
        count = self.planes[0].shape[0]
        for plane in self.planes:
            _require(plane.ndim == 3, f"planes must be (N, h, w), got {plane.shape}")
            _require(plane.shape[0] == count, f"planes hold {plane.shape[0]} and {count} frames")
        for name in ("pts", "durations", "cut"):
            got = getattr(self, name).shape
            _require(got == (count,), f"{name} has shape {got}, planes hold {count} frames")

    def __len__(self) -> int:
        return int(self.planes[0].shape[0])

    @property
    def height(self) -> int:
        """Height of the luma plane in pixels."""
        return int(self.planes[0].shape[1])

    @property
    def width(self) -> int:
        """Width of the luma plane in pixels."""
        return int(self.planes[0].shape[2])

    @property
    def subsampling(self) -> tuple[int, int]:
        """log2 of the chroma planes' reduction, (vertical, horizontal): (1, 1) for 4:2:0."""
        if len(self.planes) == 1:
            return (0, 0)
        vertical = int(self.planes[1].shape[1] < self.height)
        horizontal = round(np.log2(self.width / self.planes[1].shape[2]))
        return (vertical, horizontal)


@dataclass(frozen=True)
class Faces:
    """F faces of a batch, flat, ordered by frame."""

    frame: NDArray[np.int64]
    """(F,) index of the face's frame within its batch."""
    boxes: NDArray[np.float32]
    """(F, 4) x0 y0 x1 y1 in frame pixels."""
    landmarks: NDArray[np.float32]
    """(F, 5, 2) x y in frame pixels: two eyes, nose, two mouth corners, image left to right."""
    scores: NDArray[np.float32]
    """(F,) detector confidence in [0, 1]; of the track where the face was filled in."""
    track: NDArray[np.int64]
    """(F,) number of the face's track within the clip."""
    filled: NDArray[np.bool_]
    """(F,) True where the face was interpolated or predicted, not detected."""

    def __post_init__(self) -> None:
        count = len(self.frame)
        shapes = {
            "boxes": (count, 4),
            "landmarks": (count, 5, 2),
            "scores": (count,),
            "track": (count,),
            "filled": (count,),
        }
        for name, want in shapes.items():
            got = getattr(self, name).shape
            _require(got == want, f"{name} has shape {got}, expected {want}")
        _require(bool(np.all(np.diff(self.frame) >= 0)), "faces must be ordered by frame")

    def __len__(self) -> int:
        return len(self.frame)

    def piece(self, rows: slice) -> Faces:
        """Some of the faces, in the same order."""
        held = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        return Faces(**held)

    @staticmethod
    def none() -> Faces:
        """No face at all."""
        return Faces(
            frame=np.zeros(0, np.int64),
            boxes=np.zeros((0, 4), np.float32),
            landmarks=np.zeros((0, 5, 2), np.float32),
            scores=np.zeros(0, np.float32),
            track=np.zeros(0, np.int64),
            filled=np.zeros(0, np.bool_),
        )


@dataclass(frozen=True)
class FaceCrops:
    """F aligned crops and the way back."""

    data: Tensor
    """(F, 3, S, S) float32 RGB in [0, 1]."""
    affine: NDArray[np.float64]
    """(F, 2, 3): frame px to crop px, (x, y) order, pixel centres at integer + 0.5."""
    faces: Faces
    """The faces that the crops were cut from, in the same order."""

    def __post_init__(self) -> None:
        count = len(self.faces)
        got = tuple(self.data.shape)
        ok = len(got) == 4 and got[0] == count and got[1] == 3 and got[2] == got[3]
        _require(ok, f"crops have shape {got}, expected ({count}, 3, S, S)")
        _require(
            self.affine.shape == (count, 2, 3),
            f"affine has shape {self.affine.shape}, expected ({count}, 2, 3)",
        )

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def size(self) -> int:
        """Side S of a crop in pixels."""
        return int(self.data.shape[-1])

    def piece(self, rows: slice) -> FaceCrops:
        """Some of the crops, in the same order."""
        return FaceCrops(self.data[rows], self.affine[rows], self.faces.piece(rows))


@dataclass(frozen=True)
class Masks:
    """Soft region masks of F crops."""

    data: Tensor
    """(F, R, S, S) float32 in [0, 1], summing to 1 over R."""
    regions: tuple[str, ...]
    """R region names."""
    target: tuple[bool, ...]
    """R: True where the region may be changed by the task."""

    def __post_init__(self) -> None:
        got = tuple(self.data.shape)
        _require(
            len(got) == 4 and got[1] == len(self.regions) == len(self.target),
            f"masks have shape {got}, expected (F, {len(self.regions)}, S, S)",
        )


@dataclass(frozen=True)
class Verdict:
    """What the perturbation detector says of F crops."""

    perturbed: NDArray[np.bool_]
    """(F,) the decision, from either detector."""
    s_dist: NDArray[np.float32]
    """(F,) eq. 6; larger is more distorted. NaN where the face was not inspected."""
    s_cons: NDArray[np.float32]
    """(F,) eq. 7, weighted sigma; larger is less consistent. NaN where not inspected."""
    s_final: NDArray[np.float32]
    """(F,) eq. 9."""
    flags: NDArray[np.bool_]
    """(F, R) regions more distorted than the target region, eq. 5."""
    inspected: NDArray[np.bool_]
    """(F,) False where the verdict was carried over from an earlier frame of the track."""
    draft: Tensor
    """(F, 3, S, S) the translation of the crops as they are, float32 in [0, 1]."""

    def __post_init__(self) -> None:
        count = len(self.perturbed)
        for name in ("s_dist", "s_cons", "s_final", "inspected"):
            got = getattr(self, name).shape
            _require(got == (count,), f"{name} has shape {got}, expected ({count},)")
        _require(self.flags.shape[0] == count, f"flags hold {self.flags.shape[0]} of {count} faces")
        _require(
            self.draft.shape[0] == count, f"draft holds {self.draft.shape[0]} of {count} faces"
        )


@dataclass(frozen=True)
class TransformChoice:
    """One transform of a recipe: a category of the bank with its parameters."""

    category: str
    parameters: tuple[tuple[str, float], ...] = ()
    seed: int = 0

    def __str__(self) -> str:
        inside = [f"{name}={value:g}" for name, value in self.parameters]
        inside += [f"seed={self.seed}"] if self.seed else []
        return f"{self.category}({', '.join(inside)})"


@dataclass(frozen=True)
class Recipe:
    """What Rec-Net chose for one region: its transforms in order; none is the identity."""

    region: str
    chain: tuple[TransformChoice, ...] = ()

    def __str__(self) -> str:
        return f"{self.region}: " + (" > ".join(map(str, self.chain)) or "identity")


@dataclass(frozen=True)
class StreamNote:
    """One stream of the input and what became of it."""

    index: int
    kind: str
    codec: str
    kept: bool
    reason: str = ""


@dataclass
class RunReport:
    """What one run did; counters grow while it runs, then it is written as JSON."""

    frames_in: int = 0
    frames_out: int = 0
    frames_without_face: int = 0
    frames_passed_through: int = 0
    faces: int = 0
    faces_perturbed: int = 0
    faces_inspected: int = 0
    faces_reconstructed: int = 0
    faces_unresolved: int = 0
    """Of those, the ones whose repair stayed above the clean range (`unresolved`)."""
    tracks: int = 0
    faces_filled: int = 0
    """Face-frames inside gaps of a track: looked for, not seen, and taken from both sides."""
    frames_unfilled: int = 0
    """Frames without a face between frames of the same shot that have one."""
    jitter: float = 0.0
    """Mean second difference of the landmarks over the eye distance."""
    generator_passes: int = 0
    detector_passes: int = 0
    parser_passes: int = 0
    searches: int = 0
    cache_hits: int = 0
    """Faces whose verdict was held over from an earlier frame."""
    recipe_hits: int = 0
    """Perturbed faces whose recipes were held over."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds a stage was at work."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """One entry per stretch of frames of a track with the same verdict."""
    choices: list[dict[str, Any]] = field(default_factory=list)
    """One entry per choice made: track, frame, its rounds of recipes, scores, whether resolved."""
    streams: list[StreamNote] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    """Frames passed through because a stage failed: pts, stage, message."""
    notes: list[str] = field(default_factory=list)
    """Things a user should know: guessed colours, changed extensions, dropped streams."""
