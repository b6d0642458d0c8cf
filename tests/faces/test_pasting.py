from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from magdr_video.faces.alignment import align
from magdr_video.faces.pasting import paste, paste_weight
from magdr_video.faces.regions import region_masks
from magdr_video.types import Colour, FaceCrops, Faces, FrameBatch
from tests.faces.batches import LAYOUTS, make_batch, make_faces


def whole(crops: FaceCrops) -> torch.Tensor:
    return torch.ones(len(crops), 1, crops.size, crops.size)


def two_faces(batch: FrameBatch, side: float, size: int = 32) -> FaceCrops:
    faces = make_faces([0, 2], np.array([[50.0, 48.0], [70.3, 41.7]]), side)
    turned = faces.landmarks.copy()
    turned[1, :, 1] += 0.2 * (turned[1, :, 0] - 70)
    return align(batch, replace(faces, landmarks=turned), size, "ffhq")


def flat_batch(value: int = 128, **options: int) -> FrameBatch:
    batch = make_batch(1, 96, 128, **options)
    return replace(batch, planes=tuple(np.full_like(plane, value) for plane in batch.planes))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("side", [14, 60])
def test_a_crop_returned_unchanged_leaves_every_bit(layout: str, bits: int, side: float) -> None:
    colour = Colour(matrix="bt601", full_range=bits == 8)
    batch = make_batch(3, layout=layout, bits=bits, colour=colour)
    crops = two_faces(batch, side)
    pasted = paste(batch, crops, crops.data.clone(), whole(crops))
    for before, after in zip(batch.planes, pasted.planes, strict=True):
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype


@pytest.mark.parametrize("size", [(95, 127), (96, 128)])
def test_only_pixels_of_the_crops_change(size: tuple[int, int]) -> None:
    batch = make_batch(3, *size)
    copies = [plane.copy() for plane in batch.planes]
    faces = make_faces([1], np.array([[64.0, 50.0]]), 30 / 1.3)
    crops = align(batch, faces, 32, "box")
    pasted = paste(batch, crops, 1 - crops.data, whole(crops))
    for which, (before, after) in enumerate(zip(batch.planes, pasted.planes, strict=True)):
        np.testing.assert_array_equal(before, copies[which])
        changed = np.argwhere(before != after)
        assert set(changed[:, 0]) == {1}
        reach = 2 ** (which > 0)
        assert changed[:, 1].min() * reach >= 35 - 2 and changed[:, 1].max() * reach <= 65 + 2
        assert changed[:, 2].min() * reach >= 49 - 2 and changed[:, 2].max() * reach <= 79 + 2
        assert len(changed) > 0.5 * (30 / reach) ** 2


def test_a_strong_change_leaves_no_ghost_of_the_source() -> None:
    batch = make_batch(1, 96, 128, layout="444")
    noisy = np.random.default_rng(1).integers(90, 150, batch.planes[0].shape).astype(np.uint8)
    calm = np.full_like(noisy, 128)
    batch = replace(batch, planes=(noisy, calm, calm))
    faces = make_faces([0], np.array([[64.0, 48.0]]), 60 / 1.3)
    crops = align(batch, faces, 32, "box")
    white = torch.ones_like(crops.data)
    inside = paste(batch, crops, white, whole(crops)).planes[0][0, 25:70, 40:88]
    assert inside.min() >= 234


def test_a_weak_change_keeps_detail_that_the_crop_cannot_hold() -> None:
    batch = flat_batch(layout="444")
    luma = batch.planes[0].copy()
    luma[:, :, ::2] = 100
    batch = replace(batch, planes=(luma, *batch.planes[1:]))
    faces = make_faces([0], np.array([[64.0, 48.0]]), 60 / 1.3)
    crops = align(batch, faces, 24, "box")
    brighter = paste(batch, crops, crops.data + 0.02, whole(crops)).planes[0][0, 48].astype(int)
    stripes = brighter[50:80]
    assert abs(stripes[1::2].mean() - stripes[::2].mean()) > 24  # 28 in the source
    assert abs(stripes.mean() - luma[0, 48, 50:80].mean() - 0.02 * 219) < 1


def test_the_later_of_two_overlapping_faces_wins() -> None:
    batch = flat_batch()
    faces = make_faces([0, 0], np.array([[60.0, 48.0], [68.0, 48.0]]), 30)
    crops = align(batch, faces, 32, "box")
    shades = torch.stack([torch.ones(3, 32, 32), torch.zeros(3, 32, 32)])
    middle = paste(batch, crops, shades, whole(crops)).planes[0][0, 48, 64]
    assert middle == 16


@pytest.mark.parametrize(("full", "low", "high"), [(False, 16, 235), (True, 0, 255)])
def test_results_stay_legal_but_illegal_sources_are_not_touched(
    full: bool, low: int, high: int
) -> None:
    batch = replace(flat_batch(), colour=Colour(full_range=full))
    luma = batch.planes[0].copy()
    luma[:, :48] = 250
    batch = replace(batch, planes=(luma, *batch.planes[1:]))
    crops = align(batch, make_faces([0], np.array([[64.0, 48.0]]), 40), 32, "box")
    beyond = torch.where(torch.arange(32)[:, None] < 16, crops.data, crops.data + 3)
    after = paste(batch, crops, beyond, whole(crops)).planes[0][0]
    assert after[30, 64] == 250
    assert after[60, 64] == high
    darker = paste(batch, crops, crops.data - 3, whole(crops)).planes[0][0]
    assert darker[60, 64] == low


def test_no_face_gives_the_batch_itself() -> None:
    batch = make_batch(2)
    crops = align(batch, Faces.none(), 32, "ffhq")
    assert paste(batch, crops, crops.data, paste_weight(crops)) is batch


def test_shapes_that_disagree_are_refused() -> None:
    batch = make_batch(3)
    crops = two_faces(batch, 30)
    with pytest.raises(ValueError, match="weight is"):
        paste(batch, crops, crops.data, torch.ones(1, 1, 32, 32))
    with pytest.raises(ValueError, match="translated is"):
        paste(batch, crops, crops.data[:1], whole(crops))


def test_the_weight_falls_to_zero_at_the_border() -> None:
    crops = two_faces(make_batch(3), 30)
    weight = paste_weight(crops)
    assert weight.shape == (2, 1, 32, 32)
    for edge in (weight[..., 0], weight[..., -1], weight[..., 0, :], weight[..., -1, :]):
        assert float(edge.max()) == 0
    assert float(weight[..., 10:22, 10:22].min()) == 1
    assert float(weight.diff(dim=-1).abs().max()) < 0.5


def test_background_is_left_alone_and_hair_is_not() -> None:
    crops = two_faces(make_batch(3), 30, size=64)
    probabilities = torch.zeros(2, 19, 64, 64)
    probabilities[:, 0] = 1
    probabilities[:, 0, 20:44, 20:44] = 0
    probabilities[:, 17, 20:44, 20:44] = 1
    weight = paste_weight(crops, region_masks(probabilities, "edit", ["Black_Hair"]))
    assert float(weight[..., 22:42, 22:42].min()) == 1
    assert float(weight[..., :14, :].max()) == 0


def overlapping() -> tuple[FrameBatch, FaceCrops, torch.Tensor]:
    batch = make_batch(2, 96, 128)
    centres = np.array([[40.0, 40.0], [56.0, 44.0], [70.0, 50.0]])
    crops = align(batch, make_faces([0, 0, 1], centres, 36.0), 32)
    return batch, crops, (crops.data + 0.3).clamp(0, 1)


def test_what_is_written_in_place_is_what_a_copy_would_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two faces overlap; runs of one face each must not see what another has painted.
    monkeypatch.setattr("magdr_video.faces.patches._PIXELS_AT_ONCE", 1)
    batch, crops, translated = overlapping()
    copied = paste(batch, crops, translated, whole(crops))
    written = paste(batch, crops, translated, whole(crops), in_place=True)
    assert written is batch
    assert not np.array_equal(written.planes[0], make_batch(2, 96, 128).planes[0])
    for ours, theirs in zip(written.planes, copied.planes, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_too_many_pixels_at_once_and_closed_planes_are_copied_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch, crops, translated = overlapping()
    closed = replace(batch, planes=tuple(plane.copy() for plane in batch.planes))
    closed.planes[1].flags.writeable = False
    assert paste(closed, crops, translated, whole(crops), in_place=True) is not closed
    monkeypatch.setattr("magdr_video.faces.pasting._BYTES_HELD", 0)
    assert paste(batch, crops, translated, whole(crops), in_place=True) is not batch
    np.testing.assert_array_equal(batch.planes[0], closed.planes[0])


def test_a_failure_leaves_the_frames_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, crops, translated = overlapping()
    before = [plane.copy() for plane in batch.planes]

    def broken(*_: object) -> tuple[float, float]:
        raise ZeroDivisionError

    weight = whole(crops)
    calls = iter([(16.0, 235.0)] * 2)
    monkeypatch.setattr(
        "magdr_video.faces.patches._limits", lambda *given: next(calls, None) or broken()
    )
    with pytest.raises(ZeroDivisionError):
        paste(batch, crops, translated, weight, in_place=True)
    for plane, old in zip(batch.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)


def test_a_face_alone_and_the_same_beside_others_get_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = make_batch(2, 96, 128)
    crops = align(batch, make_faces([0, 1], np.array([[40.0, 40.0], [70.0, 50.0]]), 36.0), 32)
    translated = (crops.data + 0.3).clamp(0, 1)
    alone = paste(batch, crops, translated, whole(crops))
    nobody = np.zeros(2, np.bool_)
    monkeypatch.setattr("magdr_video.faces.pasting.faces_alone", lambda *given: nobody)
    for ours, theirs in zip(
        alone.planes, paste(batch, crops, translated, whole(crops)).planes, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_faces_that_nearly_touch_do_not_wipe_out_each_others_chroma() -> None:
    batch = make_batch(1, 96, 128)
    for gap in range(1, 9):
        faces = make_faces([0, 0], np.array([[40.0, 48.0], [40.0, 48.0]]), 20.0)
        side = 32 / align(batch, faces, 32, "box").affine[0, 0, 0]
        centres = np.array([[40.0, 48.0], [40.0 + side + gap, 48.0]])
        crops = align(batch, make_faces([0, 0], centres, 20.0), 32, "box")
        each = [
            paste(batch, crops.piece(row), 1 - crops.data[row], whole(crops)[row])
            for row in (slice(0, 1), slice(1, 2))
        ]
        both = paste(batch, crops, 1 - crops.data, whole(crops))
        for old, first, second, ours in zip(
            batch.planes, each[0].planes, each[1].planes, both.planes, strict=True
        ):
            only_first = (first != old) & (second == old)
            np.testing.assert_array_equal(ours[only_first], first[only_first])
            only_second = (first == old) & (second != old)
            np.testing.assert_array_equal(ours[only_second], second[only_second])
