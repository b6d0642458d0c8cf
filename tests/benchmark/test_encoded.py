"""Faces through a codec inside a frame."""

from __future__ import annotations

import pytest

from magdr_video.benchmark.encoded import after_codec, before_codec, through_codec
from magdr_video.benchmark.judged_faces import HARD, judged_faces
from magdr_video.benchmark.judges import FITTED_ROOMS, ROOMS
from magdr_video.criteria import psnr_db
from magdr_video.training.clean_faces import CLEAN
from tests.toys import pictures


def test_a_smooth_face_survives_and_noise_is_taken() -> None:
    smooth, noisy = pictures(2, 64), pictures(2, 64, noise=0.06)
    assert through_codec(smooth, 23).shape == smooth.shape
    assert psnr_db(through_codec(smooth, 23), smooth).min() > 32
    after = psnr_db(through_codec(noisy, 23), smooth)
    assert (after > psnr_db(noisy, smooth) + 2).all()


def test_a_higher_rate_factor_loses_more() -> None:
    faces = pictures(2, 64, noise=0.02)
    fine, coarse = (psnr_db(through_codec(faces, crf), faces) for crf in (18, 33))
    assert (fine > coarse).all()


@pytest.mark.parametrize("name", ["clean", "pgd", "blur-eot"])
def test_a_name_after_a_codec_is_read_back(name: str) -> None:
    assert before_codec(after_codec(name, 28)) == (name, 28)
    assert before_codec(name) == (name, None)


def test_a_verdict_is_measured_anew_when_what_makes_its_faces_changes() -> None:
    made = (through_codec, judged_faces, *(CLEAN[kind] for kind in HARD))
    makers = {make.__module__ for make in made}
    needed = {name.removeprefix("magdr_video.").replace(".", "/") for name in makers}
    assert "training/clean_faces" in needed
    assert needed <= set(ROOMS) and needed <= set(FITTED_ROOMS)
