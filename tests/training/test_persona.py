"""The persona's face is put where the source's is, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from magdr_video.training.faces_data import Array, OmiFaces, is_held_out
from magdr_video.training.persona import (
    FACE,
    PERSONA,
    face_mask,
    load_persona,
    mouth_gap,
    put_on,
    turn,
)

SIZE = 96


@pytest.fixture
def faces(data_dir: Path) -> OmiFaces:
    if not (data_dir / "omi" / "landmarks.npz").exists():
        pytest.skip("the OMI faces are not here (MAGDR_DATA)")
    return OmiFaces(data_dir)


def _frontal(faces: OmiFaces) -> list[str]:
    names = [n for n in faces.photos if is_held_out(n) and turn(faces.landmarks(n)) < 0.3]
    return names[:6]


def _worn(faces: OmiFaces, name: str) -> tuple[Array, Array]:
    persona = load_persona(faces, SIZE)
    image = faces.image(name, SIZE)
    return image, put_on(image, faces.labels(name), faces.landmarks(name), persona)


def test_hair_and_background_stay_the_sources(faces: OmiFaces) -> None:
    for name in _frontal(faces):
        image, worn = _worn(faces, name)
        outside = face_mask(faces.labels(name), faces.landmarks(name), SIZE) == 0
        assert np.abs(worn.astype(int) - image)[outside].max() <= 1


def test_the_face_changes_and_different_faces_grow_alike(faces: OmiFaces) -> None:
    name = _frontal(faces)[0]
    image, worn = _worn(faces, name)
    inside = face_mask(faces.labels(name), faces.landmarks(name), SIZE) > 0.9
    assert np.abs(worn.astype(int) - image)[inside].mean() > 8


def test_the_persona_put_on_itself_is_itself(faces: OmiFaces) -> None:
    image, worn = _worn(faces, PERSONA)
    assert np.abs(worn.astype(int) - image).mean() < 3


def test_the_inside_of_an_open_mouth_stays_the_sources(faces: OmiFaces) -> None:
    names = [n for n in faces.photos if mouth_gap(faces.landmarks(n)) > 0.12]
    name = min(names, key=lambda n: turn(faces.landmarks(n)))
    points = faces.landmarks(name)
    mask = face_mask(faces.labels(name), points, 160)
    x, y = (points[[13, 14], :2].mean(0) * 160).astype(int)
    assert mask[y, x] < 0.2


def test_the_mask_lies_on_the_classes_of_the_face() -> None:
    angles = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    ring = np.stack([0.5 + 0.4 * np.cos(angles), 0.5 + 0.4 * np.sin(angles)], axis=1)
    labels = np.full((64, 64), 17, np.uint8)
    labels[24:] = FACE[0]
    mask = face_mask(labels, ring.astype(np.float32), 64)
    assert mask[:22].max() < 0.01
    assert mask.max() <= 1.0


def test_a_frontal_head_is_turned_less_than_a_profile() -> None:
    points = np.zeros((478, 2), np.float32)
    points[234, 0], points[454, 0], points[1, 0] = 0.2, 0.8, 0.5
    assert turn(points) == pytest.approx(0, abs=1e-6)
    points[1, 0] = 0.75
    assert turn(points) > 0.7
