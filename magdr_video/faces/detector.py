"""MTCNN (Zhang et al. 2016, arXiv:1604.02878) in batches: the only home of facenet_pytorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from magdr_video.device import in_usual_sizes
from magdr_video.faces.alignment import cut
from magdr_video.faces.detections import Detections
from magdr_video.faces.templates import box_affine
from magdr_video.torch_pair import require_fitting_pair
from magdr_video.types import FrameBatch
from magdr_video.video.colour import batch_to_rgb

try:
    from facenet_pytorch import MTCNN
except (ImportError, RuntimeError, OSError, AttributeError):
    # In every run it is the first that needs torchvision.
    require_fitting_pair()
    raise

_LAST_NET_SIDE = 48
"""Side of the crops that MTCNN's last net looks at."""


class FaceDetector:
    """Finds faces and their five landmarks on frames that are scaled down for it.

    Args:
        device: where the three nets run.
        long_side: longer side of the scaled frame in pixels; smaller frames are not enlarged.
        threshold: confidence from which a face may begin a track.
        weak: confidence from which a face may continue a track that it did not begin.
        min_face: side of the smallest face in pixels of the scaled frame. The first net runs
            over a pyramid that starts at 12 / min_face, so small values are dear: on a 480x480
            frame 14, 28 and 56 took 112, 37 and 27 ms of one CPU core.
    """

    def __init__(
        self,
        device: torch.device | str = "cpu",
        *,
        long_side: int = 480,
        threshold: float = 0.9,
        weak: float = 0.6,
        min_face: int = 28,
    ) -> None:
        self.long_side = long_side
        self.threshold = threshold
        self.min_face = min_face
        self.passes = 0
        """Frames that went through all three nets."""
        self.refined = 0
        """Faces that went through the last net alone."""
        self._scouted: dict[int, Detections] = {}
        self._device = torch.device(device)
        self._mtcnn = MTCNN(
            min_face_size=min_face,
            thresholds=[0.6, 0.7, min(weak, threshold)],
            keep_all=True,
            select_largest=False,
            device=self._device,
        ).eval()

    def __call__(
        self, batch: FrameBatch, frames: Sequence[int], aspect: float = 1.0
    ) -> list[Detections]:
        """Detect on some frames of a batch, seen as a viewer sees them.

        Args:
            batch: decoded frames.
            frames: indices of the frames to look at; may be empty.
            aspect: width of a pixel over its height (1.09 for the 12:11 of PAL), so that the
                nets see no squeezed faces.
        """
        self.passes += len(frames)
        known = {i: self._scouted.pop(batch.first_index + i, None) for i in frames}
        rest = [index for index, held in known.items() if held is None]
        known |= dict(zip(rest, self._search(batch, rest, aspect), strict=True))
        return [found for index in frames if (found := known[index]) is not None]

    def scout(
        self, batches: Iterable[FrameBatch], *, every: int, aspect: float = 1.0, skip: int = 0
    ) -> Iterator[FrameBatch]:
        """Search frames before anybody asks for them, in whatever thread takes the batches.

        A search depends on nothing but its frame; a later call finds what it said, and counts it.

        Args:
            batches: of a clip, from its first one on; they are passed through.
            every: every so many frames of a shot, from its first one on, are searched.
            aspect: as for a call.
            skip: number of the first frame that will be asked for.
        """
        begun = 0
        for batch in batches:
            due = []
            for index, is_cut in enumerate(batch.cut):
                number = batch.first_index + index
                begun = number if is_cut else begun
                if number >= skip and (number - begun) % every == 0:
                    due.append(index)
            for index, found in zip(due, self._search(batch, due, aspect), strict=True):
                self._scouted[batch.first_index + index] = found
            yield batch

    def _search(self, batch: FrameBatch, frames: Sequence[int], aspect: float) -> list[Detections]:
        if not frames:
            return []
        height, width = self._scaled_size(batch.height, batch.width, aspect)
        rgb = batch_to_rgb(_pick(batch, frames), height, width)
        return self._detect(rgb, (batch.width / width, batch.height / height))

    def detect(
        self, rgb: NDArray[np.uint8], scale: float | tuple[float, float] = 1.0
    ) -> list[Detections]:
        """Detect on RGB frames of equal size.

        Args:
            rgb: (N, h, w, 3) uint8.
            scale: frame pixels per pixel of `rgb`, one number or (x, y).

        Returns:
            One value a frame, in pixels of the full frame; pixel centres at integer + 0.5.
        """
        self.passes += len(rgb)
        return self._detect(rgb, scale)

    def _detect(
        self, rgb: NDArray[np.uint8], scale: float | tuple[float, float]
    ) -> list[Detections]:
        count, height, width = rgb.shape[:3]
        if count == 0 or min(height, width) < self.min_face:
            return [Detections.none() for _ in range(count)]
        with torch.inference_mode():
            boxes, scores, points = self._mtcnn.detect(rgb, landmarks=True)
        ratio = np.broadcast_to(np.asarray(scale, np.float32), (2,))
        found = zip(boxes, scores, points, strict=True)
        return [self._in_frame_pixels(*one, ratio) for one in found]

    def refine(
        self,
        batch: FrameBatch,
        frames: Sequence[int],
        boxes: NDArray[np.floating],
        aspect: float = 1.0,
    ) -> Detections:
        """Look with the last net alone where faces are expected, all boxes in one pass.

        The first two nets look for boxes over the whole frame; this one turns a box into
        confidence, a better box and landmarks. It is shown the decoded planes, not a scaled frame.

        Args:
            batch: decoded frames.
            frames: B indices in it, one a box.
            boxes: (B, 4) in frame pixels; the net's square is laid around each.
            aspect: as for a call.

        Returns:
            B faces, in the order of the boxes; the confidence says where there is none.
        """
        if len(boxes) == 0:
            return Detections.none()
        self.refined += len(boxes)
        stretch = np.array([aspect, 1.0])
        to_crop = box_affine(np.asarray(boxes) * np.tile(stretch, 2), _LAST_NET_SIDE, margin=1.0)
        to_crop *= np.append(stretch, 1.0)
        crops = cut(batch, np.asarray(frames, np.int64), to_crop, _LAST_NET_SIDE, self._device)
        with torch.inference_mode():
            shift, marks, chances = in_usual_sizes(self._mtcnn.onet, (crops * 255 - 127.5) / 128)
        # In parts of the square; the box's corners as what is added to the square's own.
        corners = shift.cpu().numpy().reshape(-1, 2, 2) + np.array([[0.0, 0.0], [1.0, 1.0]])
        points = marks.cpu().numpy().reshape(-1, 2, 5).transpose(0, 2, 1)
        seen = np.concatenate([corners, points], axis=1) * _LAST_NET_SIDE
        seen = (seen - to_crop[:, None, :, 2]) / to_crop[:, None, [0, 1], [0, 1]]
        seen, scores = seen.astype(np.float32), chances.cpu().numpy()[:, 1]
        return Detections(seen[:, :2].reshape(-1, 4), seen[:, 2:], scores, scores >= self.threshold)

    def _in_frame_pixels(
        self, boxes: Any, scores: Any, points: Any, ratio: NDArray[np.float32]
    ) -> Detections:
        if boxes is None or len(boxes) == 0:
            return Detections.none()
        confidence = np.asarray(scores, np.float32)
        return Detections(
            boxes=np.asarray(boxes, np.float32) * np.tile(ratio, 2),
            landmarks=np.asarray(points, np.float32) * ratio,
            scores=confidence,
            sure=confidence >= self.threshold,
        )

    def _scaled_size(self, height: int, width: int, aspect: float) -> tuple[int, int]:
        shown = width * aspect
        factor = min(1.0, self.long_side / max(height, shown))
        return max(1, round(height * factor)), max(1, round(shown * factor))


def _pick(batch: FrameBatch, frames: Sequence[int]) -> FrameBatch:
    """The named frames as a batch of their own (a copy of these frames alone)."""
    index = np.asarray(frames, np.int64)
    return replace(
        batch,
        planes=tuple(plane[index] for plane in batch.planes),
        pts=batch.pts[index],
        durations=batch.durations[index],
        cut=batch.cut[index],
    )
