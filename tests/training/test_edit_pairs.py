from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from magdr_video.errors import WeightsError
from magdr_video.training import attribute_reader
from magdr_video.training.attribute_reader import KEPT, AttributeReader, disobedience, kept_reader
from magdr_video.training.edit_pairs import (
    CONDITION,
    VIEWS,
    EditViews,
    draw_batch,
    draw_pair,
    load_views,
)
from magdr_video.training.faces_data import OmiFaces, draw_view
from magdr_video.training.prototypes import Prototype, mean_shape, transform_face
from magdr_video.training.recolour import HAIR_COLOURS


def _flat_views() -> EditViews:
    """Two faces whose views are flat: hair changes red, gender green, age blue."""
    views = np.full((2, len(VIEWS), 160, 160, 3), 100, np.uint8)
    for place, red in enumerate((20, 200, 60), start=1):
        views[:, place, ..., 0] = red
    for place, (channel, value) in enumerate(((1, 160), (1, 40), (2, 160), (2, 40)), start=4):
        views[:, place, ..., channel] = value
    flows = np.zeros((2, 4, 40, 40, 2), np.float16)
    flows[:, 0, ..., 0] = 0.1
    flows[:, 2, ..., 1] = 0.2
    return EditViews(views, np.array([-1, 2]), np.full((2, 2), 50, np.float32), flows)


def test_a_label_says_what_its_pair_shows() -> None:
    held, rng = _flat_views(), np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        source, target, flow, label, there = draw_pair(held, 0, rng)
        red, green, blue = (int(value) for value in target[0, 0])
        asked = int(label[:3].argmax()) if label[:3].any() else -1
        assert red == ((20, 200, 60)[asked] if asked >= 0 else int(source[0, 0, 0]))
        assert green == {0.0: 40, 0.5: 100, 1.0: 160}[float(label[3])]
        assert blue == {0.0: 40, 0.5: 100, 1.0: 160}[float(label[4])]
        assert label[:3].sum() <= 1
        own = {20: 0, 200: 1, 60: 2}.get(int(source[0, 0, 0]))
        assert np.isnan(there[:3]).all() if own is None else there[own] == there[:3].sum() == 1
        assert flow[0, 0, 0] == pytest.approx(0.1 if label[3] == 1 else 0, abs=1e-3)
        assert flow[0, 0, 1] == pytest.approx(0.2 if label[4] == 1 else 0, abs=1e-3)
        seen.add((asked, *label[3:].tolist()))
    assert len(seen) == 4 * 3 * 3


def test_both_images_of_a_pair_are_seen_from_the_same_place() -> None:
    rng = np.random.default_rng(2)
    held = _flat_views()
    held.views[:] = rng.integers(0, 255, (160, 160, 3), dtype=np.uint8)
    held.flows[:] = 0
    drawn = draw_batch(held, 3, 128, rng)
    assert drawn.sources.shape == drawn.targets.shape == (3, 128, 128, 3)
    assert drawn.asked.shape == drawn.there.shape == (3, len(CONDITION))
    assert np.array_equal(drawn.sources, drawn.targets)


def test_the_condition_names_the_hair_colours_first() -> None:
    assert CONDITION[:3] == tuple(HAIR_COLOURS)
    assert CONDITION[3:] == ("Male", "Young")


def _prototype(shape: np.ndarray, texture: np.ndarray) -> Prototype:
    mean = np.random.default_rng(3).uniform(0.2, 0.8, (478, 2)).astype(np.float32)
    return Prototype(mean, shape, texture, place=0, low=20.0, high=80.0, gain=1.0)


@pytest.mark.parametrize(
    ("rating", "up", "expected"),
    [(20, True, 1.0), (80, True, 0.0), (50, True, 0.5), (80, False, -1.0), (10, False, 0.0)],
)
def test_a_face_moves_only_as_far_as_it_is_from_the_end(
    rating: float, up: bool, expected: float
) -> None:
    prototype = _prototype(np.zeros((478, 2), np.float32), np.zeros((128, 128, 3), np.float32))
    assert prototype.strength(np.array([rating, 0]), up=up) == pytest.approx(expected)


def test_a_prototype_without_strength_returns_the_image() -> None:
    prototype = _prototype(np.ones((478, 2), np.float32), np.ones((128, 128, 3), np.float32))
    image = np.random.default_rng(4).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    labels = np.ones((256, 256), np.uint8)
    assert transform_face(image, labels, prototype.mean, prototype, 0.0) is image


def test_the_mean_shape_of_turned_copies_is_the_shape() -> None:
    shape = np.random.default_rng(5).uniform(0.2, 0.8, (478, 2)).astype(np.float32)
    angle = 0.2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    copies = np.stack([shape, (shape - 0.5) @ turn.T * 1.1 + 0.5])
    mean = mean_shape(copies)
    centred, held = mean - mean.mean(0), shape - shape.mean(0)
    across = np.abs((centred @ (1, 1j)) / (held @ (1, 1j)))
    assert across.std() < 1e-3


def test_texture_touches_the_face_and_not_the_background(data_dir) -> None:  # type: ignore[no-untyped-def]
    faces = OmiFaces(data_dir)
    name = faces.photos[0]
    points = faces.landmarks(name)[:, :2]
    prototype = Prototype(
        points,
        np.zeros((478, 2), np.float32),
        np.full((128, 128, 3), 40.0, np.float32),
        place=0,
        low=0.0,
        high=1.0,
        gain=1.0,
    )
    image, labels = faces.image(name, 128), faces.labels(name)
    change = np.abs(transform_face(image, labels, points, prototype, 1.0).astype(int) - image)
    background = np.kron(labels == 0, 1)[::2, ::2]
    assert change[background].max() <= 2
    assert change.max() >= 20


def test_views_are_read_back_from_the_cache(tmp_path) -> None:  # type: ignore[no-untyped-def]
    held = _flat_views()
    np.savez(tmp_path / "edit-views-train.npz", **vars(held))
    read = load_views(None, tmp_path, held_out=False)  # type: ignore[arg-type]
    assert np.array_equal(read.views, held.views)


def test_only_what_is_asked_of_gender_and_age_is_missed() -> None:
    reader = AttributeReader().eval()
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    nothing = torch.tensor([[1.0, 0.0, 0.0, 0.5, 0.5]]).expand(3, -1)
    assert disobedience(reader, images, nothing, 0) == 0
    for head in (reader.head[1],):
        torch.nn.init.zeros_(head.weight)
        head.bias.data = torch.tensor([4.0, 0.0])
    male, female = (torch.tensor([[0.0, 0.0, 0.0, asked, 0.5]]).expand(3, -1) for asked in (1.0, 0))
    assert disobedience(reader, images, male, 0) < 0.02
    assert disobedience(reader, images, female, 0) > 1.9


def test_the_reader_of_a_training_is_trained_once_for_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def train(held: EditViews, *, seed: int, **_: object) -> AttributeReader:
        trained.append(seed)
        torch.manual_seed(len(trained))
        return AttributeReader().eval()

    monkeypatch.setattr(attribute_reader, "train_reader", train)
    views, other = _flat_views(), _flat_views()
    other.ratings[0] = 70
    first = kept_reader(views, tmp_path, steps=2, seed=1)
    again = kept_reader(views, tmp_path, steps=2, seed=1)
    assert trained == [1] and not again.training
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    kept_reader(views, tmp_path, steps=2, seed=3)
    kept_reader(views, tmp_path, steps=4, seed=3)
    kept_reader(other, tmp_path, steps=4, seed=3)
    kept_reader(other, tmp_path, steps=4, seed=3)
    assert trained == [1, 3, 3, 3]
    other.views[0, 0, 0, 0] += 1
    kept_reader(other, tmp_path, steps=4, seed=3)
    assert trained == [1, 3, 3, 3, 3], "the same ratings of other pictures"
    assert [path.name for path in tmp_path.iterdir()] == [KEPT], "written whole"


def test_a_damaged_reader_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute_reader, "train_reader", lambda *_, **__: AttributeReader())
    kept_reader(_flat_views(), tmp_path, steps=2, seed=1)
    path = tmp_path / KEPT
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="damaged"):
        kept_reader(_flat_views(), tmp_path, steps=2, seed=1)


def test_some_views_are_lit_by_a_coloured_lamp_and_both_images_of_a_pair_alike() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    views = [draw_view(64, 32, np.random.default_rng(seed)) for seed in range(40)]
    spread = [np.ptp(view.of(grey)[16, 16].astype(int)) for view in views]
    assert 5 < sum(value > 3 for value in spread) < 30
    assert np.array_equal(views[0].of(grey), views[0].of(grey.copy()))
