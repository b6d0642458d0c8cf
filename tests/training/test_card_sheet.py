from __future__ import annotations

import numpy as np
import torch

from magdr_video.models.zoo import find
from magdr_video.training.card_sheet import SHOWN, card_sheet, condition_of, portrait_crop
from magdr_video.translation import load_translator


def test_the_portrait_fills_the_crop_as_the_template_says() -> None:
    crop = portrait_crop(find("ganimation-synthetic"))
    assert crop.shape == (1, 3, 128, 128)
    # Skin between the eyes and the mouth, an orange suit below the chin.
    red, green, blue = crop[0, :, 60:70, 60:68].mean(dim=(1, 2)).tolist()
    assert red > green > blue > 0.2


def test_a_sheet_has_a_row_a_face_and_a_column_a_request() -> None:
    translator = load_translator("ganimation-synthetic")
    sheet = card_sheet(translator, torch.rand(2, 3, 128, 128))
    assert sheet.shape == (2 * 128, (1 + len(SHOWN["reenact"])) * 128, 3)
    assert sheet.dtype == np.uint8
    assert not np.array_equal(sheet[:, :128], sheet[:, 3 * 128 : 4 * 128])


def test_every_request_of_every_task_is_a_condition() -> None:
    for name in ("stargan-synthetic", "ganimation-synthetic", "cyclegan-synthetic-ab"):
        record = find(name)
        for request in SHOWN[record.task]:
            assert len(condition_of(record, request)) == len(record.conditions)
