"""FFmpeg's frames to planes and back: the formats we keep, and how to turn a picture upright."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

Planes = tuple[NDArray[Any], ...]
"""1 or 3 arrays (h, w) or (N, h, w): Y, U, V, or grey's Y alone."""


@dataclass(frozen=True)
class PlanarFormat:
    """A planar YUV or grey format, little-endian."""

    name: str
    """FFmpeg's name, such as 'yuv420p10le'."""
    bits: int
    """Significant bits of a sample: 8, 10 or 12."""
    vertical: int
    """log2 of the chroma planes' vertical reduction."""
    horizontal: int
    """log2 of the chroma planes' horizontal reduction."""
    grey: bool = False
    """True where there is no chroma at all."""

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The type of a sample in memory."""
        return np.uint8 if self.bits == 8 else np.uint16

    def shapes(self, height: int, width: int) -> list[tuple[int, int]]:
        """(h, w) of each plane; chroma of odd sizes is rounded up, as FFmpeg does."""
        if self.grey:
            return [(height, width)]
        chroma = (-(-height >> self.vertical), -(-width >> self.horizontal))
        return [(height, width), chroma, chroma]


def _formats() -> dict[str, PlanarFormat]:
    found = {}
    for bits, suffix in ((8, ""), (10, "10le"), (12, "12le")):
        for name, vertical, horizontal in (("420", 1, 1), ("422", 0, 1), ("444", 0, 0)):
            full = f"yuv{name}p{suffix}"
            found[full] = PlanarFormat(full, bits, vertical, horizontal)
        found[f"gray{suffix}"] = PlanarFormat(f"gray{suffix}", bits, 0, 0, grey=True)
    return found


PLANAR = _formats()
"""Every format that a `FrameBatch` may have, by name."""


def nearest_planar(name: str) -> PlanarFormat:
    """The kept format that loses least of `name`, any of FFmpeg's formats.

    'yuvj420p' is yuv420p (its full range is told elsewhere), nv12 is yuv420p, RGB and palettes
    become 4:4:4, 4:4:0 becomes 4:4:4, alpha is dropped, and 14 or 16 bits become 12.
    """
    coded = av.VideoFormat(name, 16, 16)
    parts = [part for part in coded.components if not part.is_alpha]
    bits = max(part.bits for part in parts)
    suffix = "" if bits <= 8 else "10le" if bits <= 10 else "12le"
    if coded.is_rgb or coded.has_palette or coded.is_bayer:
        return PLANAR[f"yuv444p{suffix}"]
    if len(parts) == 1:
        return PLANAR[f"gray{suffix}"]
    reduced = (coded.chroma_height(16) < 16, coded.chroma_width(16) < 16)
    layout = {(True, True): "420", (False, True): "422"}.get(reduced, "444")
    return PLANAR[f"yuv{layout}p{suffix}"]


def is_rgb(name: str) -> bool:
    """True where pixels are stored as RGB, or as a palette of RGB."""
    coded = av.VideoFormat(name, 16, 16)
    return coded.is_rgb or coded.has_palette or coded.is_bayer


def to_planar(
    frame: av.VideoFrame, kept: PlanarFormat, *, matrix: str, size: tuple[int, int] | None = None
) -> av.VideoFrame:
    """The frame in the format `kept`; the same object where only the name differs.

    Args:
        frame: as decoded.
        kept: the format to convert to.
        matrix: 'bt601', 'bt709' or 'bt2020'; used only where RGB becomes YUV, of limited range.
        size: (height, width) to scale to, for a clip whose frames change size midway.
    """
    height, width = size or (frame.height, frame.width)
    same_size = (height, width) == (frame.height, frame.width)
    if same_size and frame.format.name.replace("yuvj", "yuv") == kept.name:
        return frame
    if not is_rgb(frame.format.name):
        return frame.reformat(width, height, format=kept.name)
    spaces = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709, "bt2020": Colorspace.bt2020}
    return frame.reformat(
        width,
        height,
        format=kept.name,
        dst_colorspace=spaces[matrix],
        dst_color_range=ColorRange.MPEG,
    )


def plane_views(frame: av.VideoFrame, kept: PlanarFormat) -> Planes:
    """The frame's planes (h, w) without copying; valid while the frame lives."""
    views = []
    for plane, (height, width) in zip(
        frame.planes, kept.shapes(frame.height, frame.width), strict=False
    ):
        row = plane.line_size // np.dtype(kept.dtype).itemsize
        samples = np.frombuffer(memoryview(plane), np.dtype(kept.dtype))[: height * row]
        views.append(samples.reshape(height, row)[:, :width])
    return tuple(views)


def to_frame(planes: Planes, kept: PlanarFormat) -> av.VideoFrame:
    """A new frame that holds a copy of the planes (h, w)."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, kept.name)
    for view, plane in zip(plane_views(frame, kept), planes, strict=True):
        view[:] = plane
    return frame


@dataclass(frozen=True)
class Orientation:
    """How a decoded picture must be turned to stand upright."""

    quarter_turns: int = 0
    """Counterclockwise quarter turns, 0 to 3, applied after the mirror."""
    mirrored: bool = False
    """True where left and right are swapped first."""

    @property
    def swaps_sides(self) -> bool:
        """True where width and height change places."""
        return self.quarter_turns % 2 == 1

    def apply(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The plane (h, w) upright, as a view."""
        flipped = plane[:, ::-1] if self.mirrored else plane
        return np.rot90(flipped, self.quarter_turns)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Read the display matrix of a frame; angles between quarter turns go to the nearest.

    The matrix (ISO/IEC 14496-12, 9 int32, 16.16 fixed) maps decoded x, y (y downwards) to shown
    x, y. Its determinant is negative where the picture is mirrored.
    """
    sides: Iterable[Any] = frame.side_data  # PyAV's stub calls it a mapping of names
    for side in sides:
        if side.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].astype(np.float64)
            mirrored = a * d - b * c < 0
            if mirrored:
                a, b = -a, -b
            clockwise = np.degrees(np.arctan2(b, a)) if (a or b) else 0.0
            return Orientation(round(-clockwise / 90) % 4, bool(mirrored))
    return Orientation()
