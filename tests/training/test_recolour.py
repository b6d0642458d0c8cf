"""Hair is moved into a colour class and nothing else is."""

import numpy as np
import pytest

from magdr_video.training.recolour import (
    HAIR_COLOURS,
    measure_hair,
    nearest_hair,
    recolour_hair,
)

SIZE = 64


def _head(level: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Textured hair of a colour above a plain skin, and the hair's mask."""
    rng = np.random.default_rng(0)
    image = np.full((SIZE, SIZE, 3), (200, 160, 140), np.uint8)
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[:24] = 1
    strands = rng.normal(0, 10, (24, SIZE, 1))
    image[:24] = np.clip(np.asarray(level) + strands, 0, 255).astype(np.uint8)
    return image, mask


@pytest.mark.parametrize("asked", HAIR_COLOURS)
@pytest.mark.parametrize("level", [(40, 32, 30), (110, 75, 50), (210, 180, 130)])
def test_the_asked_colour_is_read_from_recoloured_hair(
    asked: str, level: tuple[int, int, int]
) -> None:
    image, mask = _head(level)
    out = recolour_hair(image, mask, np.zeros_like(mask), HAIR_COLOURS[asked])
    found = measure_hair(out, mask)
    assert found is not None
    assert nearest_hair(found[0]) == asked


def test_pixels_outside_the_hair_stay_within_rounding() -> None:
    image, mask = _head((40, 32, 30))
    out = recolour_hair(image, mask, np.zeros_like(mask), HAIR_COLOURS["Blond_Hair"])
    assert np.abs(out[24:].astype(int) - image[24:]).max() <= 1


def test_the_texture_of_the_hair_survives() -> None:
    image, mask = _head((40, 32, 30))
    out = recolour_hair(image, mask, np.zeros_like(mask), HAIR_COLOURS["Blond_Hair"])
    before, after = image[:24].mean(-1).ravel(), out[:24].mean(-1).ravel()
    assert np.corrcoef(before, after)[0, 1] > 0.9


def test_hair_that_is_of_the_class_already_is_returned_as_it_is() -> None:
    image, mask = _head((40, 32, 30))
    black = recolour_hair(image, mask, np.zeros_like(mask), HAIR_COLOURS["Black_Hair"])
    again = recolour_hair(black, mask, np.zeros_like(mask), HAIR_COLOURS["Black_Hair"])
    assert np.abs(again.astype(int) - black).mean() < 1


def test_a_bald_head_is_not_recoloured() -> None:
    image, mask = _head((40, 32, 30))
    assert recolour_hair(image, mask * 0, mask * 0, HAIR_COLOURS["Blond_Hair"]) is image


def test_brows_move_a_quarter_of_the_way() -> None:
    image, mask = _head((40, 32, 30))
    brows = np.zeros_like(mask)
    brows[40:44] = 1
    image[40:44] = (40, 32, 30)
    out = recolour_hair(image, mask, brows, HAIR_COLOURS["Blond_Hair"])
    lifted = float(out[40:44].mean()) - float(image[40:44].mean())
    full = float(out[:24].mean()) - float(image[:24].mean())
    assert 0.1 * full < lifted < 0.45 * full
