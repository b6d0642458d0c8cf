from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from magdr_video.models.au_estimator import AUEstimator
from magdr_video.models.conditions import ACTION_UNITS
from magdr_video.models.warped import move
from magdr_video.training.action_units import (
    INNER_LIPS,
    TAUGHT_EXPRESSIONS,
    Array,
    displace,
    measure,
)
from magdr_video.training.expression_pairs import (
    ExpressionViews,
    draw_batch,
    draw_targets,
    expression_units,
    make_views,
    read_mouths,
)
from magdr_video.training.faces_data import OmiFaces
from magdr_video.training.landmark_warp import expressive, fill_mouth, flows, open_mouth, warp
from magdr_video.training.paired import from_images

MAIN = ("AU01", "AU02", "AU04", "AU05", "AU12", "AU25", "AU45")
"""Units that a mesh can show alone; a jaw drops far only when the lips part (AU26 with AU25)."""


@pytest.fixture
def faces(data_dir: Path) -> OmiFaces:
    if not (data_dir / "omi" / "landmarks.npz").exists():
        pytest.skip(f"needs the OMI faces and landmarks in {data_dir}")
    return OmiFaces(data_dir)


@pytest.fixture
def meshes(faces: OmiFaces) -> list[Array]:
    return [faces.landmarks(name) for name in faces.photos[::90]]


def _asked(**units: float) -> Array:
    return np.array([units.get(unit, 0.0) for unit in ACTION_UNITS], dtype=np.float32)


def _index(unit: str) -> int:
    return ACTION_UNITS.index(unit)


def _random_views(faces: int = 3) -> ExpressionViews:
    rng = np.random.default_rng(0)
    views = rng.integers(0, 256, (faces, 7, 160, 160, 3), dtype=np.uint8)
    units = rng.random((faces, 7, 17), dtype=np.float32)
    return ExpressionViews(views, units, np.zeros((faces, 7, 7, 40, 40, 2), np.float16))


def test_units_do_not_change_when_the_head_moves_grows_or_tilts(meshes: list[Array]) -> None:
    angle = np.deg2rad(9)
    turn = 0.8 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for mesh in meshes:
        moved = mesh[:, :2] @ turn.T.astype(np.float32) + np.float32(0.07)
        np.testing.assert_allclose(measure(moved), measure(mesh), atol=2e-3)


def test_units_lie_between_0_and_1_and_differ_between_faces(meshes: list[Array]) -> None:
    units = np.stack([measure(mesh) for mesh in meshes])
    assert units.shape == (len(meshes), 17)
    assert units.min() >= 0 and units.max() <= 1
    assert units[:, _index("AU12")].std() > 0.1


def test_a_displaced_mesh_reads_as_another_face_does(meshes: list[Array]) -> None:
    units = np.stack([measure(mesh) for mesh in meshes])
    places = [_index(unit) for unit in (*MAIN, "AU26")]
    for mesh, asked in zip(meshes, np.roll(units, 3, axis=0), strict=True):
        assert np.abs(measure(displace(mesh, asked)) - asked)[places].mean() < 0.06


@pytest.mark.parametrize("unit", MAIN)
def test_a_single_unit_can_be_raised_from_rest(meshes: list[Array], unit: str) -> None:
    rises = []
    for mesh in meshes:
        rest = displace(mesh, _asked())
        raised = displace(mesh, _asked(**{unit: 1.0}))
        rises.append(measure(raised)[_index(unit)] - measure(rest)[_index(unit)])
    assert np.mean(rises) > 0.75


@pytest.mark.parametrize("name", sorted(TAUGHT_EXPRESSIONS))
def test_a_taught_expression_can_be_shown(meshes: list[Array], name: str) -> None:
    asked = expression_units(name)
    read = np.mean([measure(displace(mesh, asked)) for mesh in meshes], axis=0)
    np.testing.assert_allclose(read, asked, atol=0.4)
    assert np.abs(read - asked).mean() < 0.1


def test_asking_for_the_own_units_moves_nothing(meshes: list[Array]) -> None:
    for mesh in meshes:
        np.testing.assert_array_equal(displace(mesh, measure(mesh)), mesh[:, :2])


def test_a_warp_to_the_same_landmarks_returns_the_image(faces: OmiFaces) -> None:
    name = faces.photos[5]
    image, mesh = faces.image(name, 128), faces.landmarks(name)
    np.testing.assert_array_equal(warp(image, mesh, mesh[:, :2]), image)


def test_a_warp_carries_a_mark_with_its_landmark_and_spares_the_border(faces: OmiFaces) -> None:
    closed = (n for n in faces.photos if not measure(faces.landmarks(n))[_index("AU25")])
    mesh = faces.landmarks(next(closed))
    image = np.zeros((160, 160, 3), np.uint8)
    lip = mesh[17, :2] * 160
    image[int(lip[1]) - 1 : int(lip[1]) + 2, int(lip[0]) - 1 : int(lip[0]) + 2] = 255
    moved = displace(mesh, _asked(AU25=1, AU26=1))
    assert moved[17, 1] * 160 > lip[1] + 5
    bright = np.argwhere(warp(image, mesh, moved)[..., 0] > 100).mean(axis=0)
    np.testing.assert_allclose(bright, moved[17, ::-1] * 160 - 0.5, atol=1.5)
    photo = faces.image(faces.photos[5], 160)
    np.testing.assert_array_equal(warp(photo, mesh, moved)[0], photo[0])


def test_a_mouth_that_opens_shows_the_donor_and_nothing_else_changes(faces: OmiFaces) -> None:
    name = faces.photos[5]
    image, mesh = faces.image(name, 160), faces.landmarks(name)
    moved = displace(mesh, _asked(AU25=1, AU26=1))
    green = open_mouth(np.full_like(image, (0, 200, 0)), faces.landmarks("images/312"))
    before = warp(image, mesh, moved)
    filled = fill_mouth(before, moved, green)
    rim = moved[list(INNER_LIPS)] * 160
    middle = rim.mean(axis=0).astype(int)
    red, leaf, _ = filled[middle[1], middle[0]].astype(int)
    assert leaf > red + 40
    rows, columns = np.argwhere(np.abs(filled.astype(int) - before).max(axis=-1) > 8).T
    assert columns.min() > rim[:, 0].min() - 4 and columns.max() < rim[:, 0].max() + 4
    assert rows.min() > rim[:, 1].min() - 4 and rows.max() < rim[:, 1].max() + 4


def test_views_of_a_face_hold_the_units_they_are_labelled_with(faces: OmiFaces) -> None:
    name = faces.photos[5]
    image, mesh = faces.image(name, 160), faces.landmarks(name)
    targets = [expression_units("neutral"), expression_units("surprised")]
    views, units, fields = make_views(image, mesh, targets, read_mouths(faces))
    np.testing.assert_array_equal(views[0], image)
    np.testing.assert_array_equal(units[0], measure(mesh))
    assert units[2, _index("AU26")] > 0.8 > 0.1 > units[1, _index("AU26")]
    moved = expressive(image, mesh, displace(mesh, targets[1]), read_mouths(faces))
    np.testing.assert_array_equal(views[2], moved)
    assert fields.shape == (3, 3, 40, 40, 2)
    assert np.abs(fields[[0, 1, 2], [0, 1, 2]]).max() < 1e-3


def test_a_flow_makes_one_view_of_a_face_from_another(faces: OmiFaces) -> None:
    name = faces.photos[5]
    image, mesh = faces.image(name, 160), faces.landmarks(name)
    moved = displace(mesh, _asked(AU01=1, AU02=1, AU12=0.8))
    field = flows(np.stack([mesh[:, :2], moved]), mesh, 40)[1, 0]
    source, target = (from_images(held[None]) for held in (image, warp(image, mesh, moved)))
    sampled = move(source, torch.from_numpy(field[None]).permute(0, 3, 1, 2))
    assert (sampled - target).abs().mean() < 0.25 * (source - target).abs().mean()


def test_requests_start_with_rest_and_stay_in_range() -> None:
    rng = np.random.default_rng(3)
    others = rng.random((9, 17)).astype(np.float32)
    targets = np.stack(draw_targets(others[0], others, rng))
    assert targets.shape == (7, 17) and not targets[0].any()
    assert targets.min() >= 0 and targets.max() <= 1


def test_a_batch_of_pairs_is_the_same_for_the_same_seed() -> None:
    first, again = (draw_batch(_random_views(), 4, 64, np.random.default_rng(7)) for _ in range(2))
    for name, drawn in vars(first).items():
        np.testing.assert_array_equal(drawn, getattr(again, name))
    assert first.sources.shape == first.targets.shape == (4, 64, 64, 3)
    assert first.asked.shape == first.there.shape == (4, 17)
    assert first.flows.shape == (4, 16, 16, 2)


def test_the_estimator_reads_units_in_range_whatever_the_light() -> None:
    torch.manual_seed(0)
    net = AUEstimator().eval()
    crops = torch.rand(2, 3, 128, 128) * 1.2 - 0.8
    units = net(crops)
    assert units.shape == (2, 17) and units.min() >= 0 and units.max() <= 1
    dimmed = net.logits(crops * 0.6 + 0.1)
    torch.testing.assert_close(dimmed, net.logits(crops), atol=1e-3, rtol=1e-3)


def test_the_estimator_refuses_crops_of_another_size() -> None:
    with pytest.raises(ValueError, match="expected"):
        AUEstimator()(torch.zeros(1, 3, 64, 64))
