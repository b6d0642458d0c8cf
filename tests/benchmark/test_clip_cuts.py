"""Versions of a clip, and that the same faces are cut out of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from magdr_video.benchmark.clip_cuts import (
    LOSSLESS,
    ClipPair,
    cut_clip,
    first_frames,
    through_codecs,
)
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import rgb_to_batch
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter
from tests.benchmark.toy_cuts import toy_clip, toy_cuts
from tests.faces.batches import make_clip


def test_the_first_frames_of_a_batch_and_no_more() -> None:
    batch = next(iter(make_clip(8, size=8)))
    cut = first_frames(batch, 3)
    assert len(cut) == 3 and len(first_frames(batch, 20)) == 8
    np.testing.assert_array_equal(cut.planes[0], batch.planes[0][:3])


@pytest.mark.parametrize(("crf", "loss"), [(LOSSLESS, 0.0), (28, 0.5)])
def test_a_clip_is_cut_to_its_first_frames_lossless_or_encoded(
    tmp_path: Path, crf: int, loss: float
) -> None:
    rng = np.random.default_rng(0)
    info = ClipInfo.synthetic(64, 64, 25)
    source, target = tmp_path / "a.mkv", tmp_path / "b.mkv"
    rgb = rng.integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    with ClipWriter(source, info, crf=0) as writer:
        writer.write(rgb_to_batch(rgb, info))
    assert cut_clip(source, target, crf=crf, frames=4) == 4
    with ClipReader(source) as held:
        before = np.concatenate([batch.planes[0] for batch in held])
    with ClipReader(target) as held:
        after = np.concatenate([batch.planes[0] for batch in held])
    assert len(after) == 4
    apart = float(np.abs(after.astype(float) - before[:4]).mean())
    assert apart >= loss and (loss > 0 or apart == 0)


@pytest.mark.parametrize(("frames", "written"), [(0, 20), (16, 16), (18, 18), (30, 20)])
def test_a_cut_says_how_many_frames_it_wrote(tmp_path: Path, frames: int, written: int) -> None:
    source = toy_clip(tmp_path / "a.mkv", 20)
    assert cut_clip(source, tmp_path / "b.mkv", crf=LOSSLESS, frames=frames) == written
    with ClipReader(tmp_path / "b.mkv") as held:
        assert sum(map(len, held)) == written


def test_clean_and_protected_clip_go_through_each_codec_once(tmp_path: Path) -> None:
    pair = ClipPair(toy_clip(tmp_path / "a.mkv"), toy_clip(tmp_path / "b.mkv", darker=(0, 1, 2)))
    cuts = toy_cuts(pair.clean)
    pairs = through_codecs(pair, (28, LOSSLESS, 28), tmp_path)
    assert list(pairs) == [LOSSLESS, 28] and pairs[LOSSLESS] == pair
    for lossless, encoded in (
        (pair.clean, pairs[28].clean),
        (pair.protected, pairs[28].protected),
    ):
        apart = (cuts.crops(encoded) - cuts.crops(lossless)).abs()
        assert 0 < float(apart.mean()) < 0.05


@pytest.mark.parametrize("batch", [2, 16])
def test_faces_are_cut_alike_whatever_the_batch_of_the_settings(tmp_path: Path, batch: int) -> None:
    clip = toy_clip(tmp_path / "a.mkv", 5)
    cuts = toy_cuts(clip, batch=batch)
    torch.testing.assert_close(cuts.crops(clip), toy_cuts(clip).crops(clip))
    assert cuts.faces == 5


@pytest.mark.parametrize("batch", [2, 16])
def test_a_face_is_the_same_when_its_whole_frame_is(tmp_path: Path, batch: int) -> None:
    clip = toy_clip(tmp_path / "a.mkv", 5)
    other = toy_clip(tmp_path / "b.mkv", 5, darker=(1, 4))
    cuts = toy_cuts(clip, batch=batch)
    apart = cuts.apart(clip, other)
    assert apart[[0, 2, 3]].tolist() == [0, 0, 0]
    assert all(10 < int(apart[frame]) < 40 for frame in (1, 4))
    assert cuts.apart(other, clip).tolist() == apart.tolist()
    assert not cuts.apart(clip, clip).any()
