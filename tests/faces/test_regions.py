from __future__ import annotations

import pytest
import torch

from magdr_video.errors import SettingsError
from magdr_video.faces.regions import (
    CLASS_NAMES,
    REGIONS,
    known_attributes,
    merge_target,
    region_masks,
    target_regions,
)
from magdr_video.types import Masks


@pytest.fixture()
def probabilities() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.softmax(torch.randn(2, 19, 16, 16) * 3, dim=1)


def assert_sums_to_one(masks: Masks) -> None:
    total = masks.data.sum(1)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-5, rtol=0)


def test_every_class_lies_in_exactly_one_region() -> None:
    members = [name for group in REGIONS.values() for name in group]
    assert sorted(members) == sorted(CLASS_NAMES)
    assert len(CLASS_NAMES) == 19


@pytest.mark.parametrize(
    ("task", "conditions", "wanted"),
    [
        ("edit", ["Blond_Hair"], {"hair"}),
        ("edit", ["male"], {"skin", "brows", "mouth", "hair"}),
        ("edit", ["blond-hair", "Young"], {"hair", "skin", "eyes"}),
        ("reenact", [], {"mouth", "brows", "eyes", "skin"}),
        ("replace", [], {"skin", "brows", "eyes", "nose", "mouth"}),
    ],
)
def test_targets_follow_the_table(task: str, conditions: list[str], wanted: set[str]) -> None:
    assert set(target_regions(task, conditions)) == wanted


def test_masks_sum_to_one_with_and_without_attention(probabilities: torch.Tensor) -> None:
    plain = region_masks(probabilities, "edit", ["Male"])
    assert plain.regions == tuple(REGIONS)
    assert_sums_to_one(plain)
    attention = torch.rand(2, 1, 16, 16)
    steered = region_masks(probabilities, "reenact", attention=attention)
    assert_sums_to_one(steered)
    torch.testing.assert_close(steered.data[:, :1], 1 - attention)
    assert [n for n, t in zip(steered.regions, steered.target, strict=True) if t] == ["target"]


def test_the_merged_target_is_the_sum_of_its_members(probabilities: torch.Tensor) -> None:
    masks = region_masks(probabilities, "edit", ["Young"])
    merged = merge_target(masks)
    assert_sums_to_one(merged)
    assert merged.regions == ("target", "brows", "nose", "mouth", "neck_cloth", "background")
    hair, skin, eyes = (masks.data[:, masks.regions.index(n)] for n in ("hair", "skin", "eyes"))
    torch.testing.assert_close(merged.data[:, 0], hair + skin + eyes)


def test_no_face_gives_empty_masks() -> None:
    masks = region_masks(torch.zeros(0, 19, 8, 8), "replace")
    assert masks.data.shape == (0, 8, 8, 8)


def test_unknown_names_are_refused_with_a_hint(probabilities: torch.Tensor) -> None:
    with pytest.raises(SettingsError) as caught:
        region_masks(probabilities, "edit", ["Blonde_Hair"])
    assert "blond_hair" in caught.value.hint
    with pytest.raises(SettingsError):
        region_masks(probabilities, "swap")
    with pytest.raises(ValueError, match="18 classes"):
        region_masks(probabilities[:, :18], "edit")


def test_names_of_foreign_attributes_are_left_out() -> None:
    assert known_attributes(["warmth", "Black_Hair", "male"]) == ("Black_Hair", "male")
    assert target_regions("edit", known_attributes(["warmth"])) == target_regions("edit")
