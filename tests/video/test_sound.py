"""Made sound, and the film that carries it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from magdr_video.errors import OutputError
from magdr_video.video.reader import probe
from magdr_video.video.sound import write_sound
from magdr_video.video.writer import ClipWriter
from tests.clips import make_clip
from tests.video.copying import EXACT, whole


def test_a_made_tone_is_heard_in_the_film(tmp_path: Path) -> None:
    tone = (0.5 * np.sin(np.arange(24000) * 2 * np.pi * 440 / 48000)).astype(np.float32)
    write_sound(tmp_path / "tone.mp4", tone, 48000)
    make_clip(tmp_path / "a.mp4")
    info = probe(tmp_path / "a.mp4")
    with ClipWriter(tmp_path / "b.mp4", info, source=tmp_path / "tone.mp4", **EXACT) as writer:
        writer.write(whole(tmp_path / "a.mp4"))
    with av.open(str(tmp_path / "b.mp4")) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(heard[4096:20480]))
    assert abs(spectrum.argmax() * 48000 / 16384 - 440) < 5
    assert 0.4 < np.abs(heard).max() < 0.6
    assert abs(len(heard) - 24000) <= 2048


def test_samples_of_two_rows_and_folders_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(2, 9\)"):
        write_sound(tmp_path / "a.mp4", np.zeros((2, 9), np.float32), 48000)
    with pytest.raises(OutputError):
        write_sound(tmp_path / "no" / "a.mp4", np.zeros(9, np.float32), 48000)
