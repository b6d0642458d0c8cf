"""Sound that is made, not recorded: a file whose stream a film can carry."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from magdr_video.video.failures import writing
from magdr_video.video.target import muxer_of

SLICE = 1024
"""Samples handed over at a time: one frame of AAC."""
BIT_RATE = 192_000
"""Bits a second. At the encoder's default (69,000 for mono) a tone of amplitude 0.5 comes back with
errors of 0.21; at this rate of 0.0005 (measured at 440 Hz)."""


def write_sound(target: Path, samples: NDArray[np.float32], rate: int) -> None:
    """Write samples as AAC, to be the `source` of a `ClipWriter`.

    Args:
        target: a file such as 'tone.mp4'; replaced if it exists.
        samples: (n,) mono, in [-1, 1].
        rate: samples a second.

    Raises:
        ValueError: samples are not one row.
        OutputError: the target cannot be written.
    """
    if samples.ndim != 1:
        raise ValueError(f"samples must be (n,), got {samples.shape}")
    wave = np.ascontiguousarray(samples, np.float32)
    with writing(target), av.open(str(target.absolute()), "w", format=muxer_of(target)) as output:
        stream = output.add_stream("aac", rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = BIT_RATE
        for begin in range(0, len(wave), SLICE):
            frame = av.AudioFrame.from_ndarray(wave[None, begin : begin + SLICE], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
