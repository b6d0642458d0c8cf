"""What every baseline promises, whatever it does."""

from __future__ import annotations

import pytest
import torch

from magdr_video.baselines.preparation import prepare_reconstructor
from magdr_video.baselines.protocol import (
    DetectorBaseline,
    ReconstructorBaseline,
    Samples,
    TrainedReconstructor,
)
from magdr_video.baselines.registry import DETECTORS, RECONSTRUCTORS
from magdr_video.errors import SettingsError
from tests.baselines.doubles import signs, toy_condition, toy_translator
from tests.toys import pictures

PLAIN = [
    name
    for name, build in RECONSTRUCTORS.items()
    if not isinstance(build(toy_translator()), TrainedReconstructor)
]


@pytest.mark.parametrize("name", RECONSTRUCTORS)
def test_a_reconstructor_says_where_it_comes_from(name: str) -> None:
    baseline = RECONSTRUCTORS[name](toy_translator())
    assert isinstance(baseline, ReconstructorBaseline)
    assert baseline.name == name
    assert baseline.paper
    assert baseline.parameters


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_says_where_it_comes_from(name: str) -> None:
    baseline = DETECTORS[name](toy_translator())
    assert isinstance(baseline, DetectorBaseline)
    assert baseline.name == name
    assert baseline.paper
    assert baseline.parameters


@pytest.mark.parametrize("name", PLAIN)
def test_a_reconstructor_keeps_shape_range_and_input(name: str) -> None:
    baseline = prepare_reconstructor(name, toy_translator())
    crops = signs(pictures(3, 32))
    before = crops.clone()
    out = baseline.reconstruct(crops)
    assert out.shape == crops.shape
    assert out.dtype == crops.dtype
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    assert torch.equal(crops, before)
    assert not torch.equal(out, crops)


@pytest.mark.parametrize("name", PLAIN)
def test_a_face_does_not_depend_on_its_batch(name: str) -> None:
    baseline = prepare_reconstructor(name, toy_translator())
    crops = pictures(3, 32)
    together, alone = baseline.reconstruct(crops), baseline.reconstruct(crops[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PLAIN)
def test_no_faces_are_no_trouble(name: str) -> None:
    translator = toy_translator()
    baseline = prepare_reconstructor(name, translator)
    none = torch.zeros(0, 3, 32, 32)
    assert baseline.reconstruct(none).shape == none.shape
    out = baseline.translate(translator.translate, none, toy_condition(0))
    assert out.shape == none.shape


@pytest.mark.parametrize("name", PLAIN)
def test_a_defended_translation_repeats_itself(name: str) -> None:
    translator = toy_translator()
    crops, condition = pictures(2, 32), toy_condition(2)
    outs = [
        prepare_reconstructor(name, translator).translate(translator.translate, crops, condition)
        for _ in range(2)
    ]
    assert outs[0].shape == crops.shape
    torch.testing.assert_close(outs[0], outs[1], atol=0, rtol=0)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        prepare_reconstructor("jpg", toy_translator())
    assert "jpeg" in caught.value.hint


def test_samples_that_disagree_are_refused() -> None:
    crops = pictures(2, 32)
    with pytest.raises(ValueError, match="do not belong together"):
        Samples(crops, toy_condition(3), crops)
