"""Where a new shot begins: a cheap look at small luma pictures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = (32, 24)
"""(w, h) of the picture compared: 768 pixels, so motion of a face moves few of them."""
DIFFERENCE = 0.08
"""Mean absolute luma difference, of 1, below which no cut is seen (talking heads: under 0.03)."""
HISTOGRAM = 0.25
"""Half the L1 distance of 16-bin histograms: the share of the picture that changed its level."""
SURPRISE = 3.0
"""A cut differs this many times more than the frames of its shot did lately."""
STRONG = 0.25
"""A mean difference that is a cut whatever the histograms say: equal levels, other places."""


class CutDetector:
    """Tells, frame by frame, whether a shot begins; remembers across batches.

    A cut must change the picture (mean difference), differ clearly from the shot's own motion, and
    move the luma histogram; a strong difference needs no histogram. Fades are no cuts.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._motion = 0.0

    def begins_shot(self, luma: NDArray[Any], bits: int) -> bool:
        """True for the first frame, and for one that does not continue the frame before.

        Args:
            luma: (h, w) code values.
            bits: significant bits of a sample.
        """
        small = cv2.resize(luma, THUMBNAIL, interpolation=cv2.INTER_AREA)
        now = small.astype(np.float32) / np.float32((1 << bits) - 1)
        before, self._last = self._last, now
        if before is None:
            return True
        difference = float(np.abs(now - before).mean())
        cut = difference > DIFFERENCE and difference > SURPRISE * self._motion
        cut = cut and (difference > STRONG or _moved(before, now) > HISTOGRAM)
        # An exponential mean over about five frames; a shot starts as if it were still.
        self._motion = 0.0 if cut else 0.8 * self._motion + 0.2 * difference
        return cut


def _moved(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    counts = [np.histogram(picture, 16, (0.0, 1.0))[0] for picture in (before, now)]
    return float(np.abs(counts[0] - counts[1]).sum() / (2 * before.size))
