"""A codec is told by the noise that it took away; clear cases and the boundary."""

from __future__ import annotations

import pytest
import torch

from magdr_video.reconstruction.codec import CUES, CodecSigns, codec_cues
from magdr_video.training.clean_faces import film
from magdr_video.training.recnet_fit import fit_signs
from tests.toys import pictures

CROPS = pictures(9, 64, noise=0.025)


def test_signs_that_were_fitted_tell_encoded_crops_from_others_they_never_saw() -> None:
    signs = fit_signs(CROPS[:6], film(CROPS[:6], 28))
    assert signs.odds(CROPS[6:]).max() < 0 < signs.odds(film(CROPS[6:], 28)).min()
    assert signs.is_compressed(film(CROPS[6:], 28)) and not signs.is_compressed(CROPS[6:])


def test_crops_of_one_track_are_judged_together() -> None:
    cues = codec_cues(CROPS[:3])[:, 0]
    signs = CodecSigns((1.0, 0.0, 0.0), -float(cues.mean()) + 1e-3)
    alone = [signs.is_compressed(crop[None]) for crop in CROPS[:3]]
    assert signs.is_compressed(CROPS[:3]) and not all(alone)


def test_cues_are_finite_even_of_a_flat_picture() -> None:
    cues = codec_cues(torch.full((2, 3, 32, 32), 0.5))
    assert cues.shape == (2, len(CUES)) and bool(cues.isfinite().all())


def test_weights_that_do_not_fit_the_cues_are_refused() -> None:
    with pytest.raises(ValueError, match="1 weights given for the cues noise"):
        CodecSigns((1.0,), 0.0)
