"""Named conditions: what is asked, what is kept, what is refused."""

from __future__ import annotations

import pytest

from magdr_video.errors import SettingsError
from magdr_video.models.conditions import (
    ACTION_UNITS,
    EXPRESSIONS,
    condition_for_edit,
    condition_for_expression,
)


@pytest.mark.parametrize(
    ("names", "label"),
    [
        ("Blond_Hair", (0, 1, 0, 0.5, 0.5)),
        ("blond hair, young", (0, 1, 0, 0.5, 1)),
        ("Female", (0, 0, 0, 0, 0.5)),
        ("Male,Old", (0, 0, 0, 1, 0)),
        (["Black_Hair", "Female", "Young"], (1, 0, 0, 0, 1)),
        ("Male,Male", (0, 0, 0, 1, 0.5)),
        ("", (0, 0, 0, 0.5, 0.5)),
    ],
)
def test_an_edit_sets_what_is_named_and_leaves_the_rest(
    names: str | list[str], label: tuple[float, ...]
) -> None:
    assert condition_for_edit(names) == label


def test_known_source_labels_are_kept_and_a_new_hair_colour_clears_the_old() -> None:
    source = (1, 0, 0, 1, 0)
    assert condition_for_edit("Brown_Hair", source=source) == (0, 0, 1, 1, 0)
    assert condition_for_edit("Young", source=source) == (1, 0, 0, 1, 1)


def test_a_generator_with_other_attributes_is_asked_by_its_own_names() -> None:
    assert condition_for_edit("Eyeglasses", attributes=("Eyeglasses", "Smiling")) == (1, 0.5)
    with pytest.raises(SettingsError):
        condition_for_edit("Female", attributes=("Eyeglasses", "Smiling"))


@pytest.mark.parametrize("names", ["Blond_Hair,Brown_Hair", "Male,Female", "Old,Young"])
def test_contradictions_are_refused(names: str) -> None:
    with pytest.raises(SettingsError):
        condition_for_edit(names)


def test_a_wrong_attribute_names_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        condition_for_edit("Blonde_Hair")
    assert caught.value.hint == "did you mean 'Blond_Hair'?"
    assert caught.value.exit_code == 4


def test_source_labels_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(SettingsError, match="3 labels, expected 5"):
        condition_for_edit("Male", source=(0, 1, 0))


def units(**asked: float) -> tuple[float, ...]:
    return tuple(asked.get(name, 0.0) for name in ACTION_UNITS)


@pytest.mark.parametrize(
    ("text", "strength", "wanted"),
    [
        ("neutral", 1.0, units()),
        ("happy", 1.0, units(AU06=1, AU12=1, AU25=1)),
        ("Happy", 0.5, units(AU06=0.5, AU12=0.5, AU25=0.5)),
        ("happy", 2.0, units(AU06=1, AU12=1, AU25=1)),
        ("AU12=0.8,AU25=0.5", 1.0, units(AU12=0.8, AU25=0.5)),
        ("au12 = 0.8", 0.5, units(AU12=0.8)),
        ("happy, blink", 1.0, units(AU06=1, AU12=1, AU25=1, AU45=1)),
        ("happy,AU12=0", 1.0, units(AU06=1, AU25=1)),
        ("smile,happy", 1.0, units(AU06=1, AU12=1, AU25=1)),
    ],
)
def test_expressions_by_name_and_by_unit(
    text: str, strength: float, wanted: tuple[float, ...]
) -> None:
    assert condition_for_expression(text, strength=strength) == pytest.approx(wanted)


@pytest.mark.parametrize("text", ["AU12=1.2", "AU12=-0.1", "AU12=much", "AU12=", "AU12=nan"])
def test_an_intensity_outside_0_to_1_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="no intensity"):
        condition_for_expression(text)


@pytest.mark.parametrize(("text", "nearest"), [("hapy", "happy"), ("AU21=1", "AU2")])
def test_a_wrong_expression_or_unit_names_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as caught:
        condition_for_expression(text)
    assert nearest in caught.value.hint


def test_every_named_expression_uses_known_units_within_range() -> None:
    for name, wanted in EXPRESSIONS.items():
        assert set(wanted) <= set(ACTION_UNITS), name
        assert all(0 < value <= 1 for value in wanted.values()), name
