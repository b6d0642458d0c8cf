"""How alike faces look: one person under other conditions, and other people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from magdr_video.errors import InputError
from magdr_video.faces.appearance import CROP, Look, describer, distance, look_of
from magdr_video.faces.detector import FaceDetector
from magdr_video.faces.reference import Reference, read_reference
from magdr_video.faces.templates import similarity, template
from magdr_video.faces.tracker import FaceTracker
from magdr_video.settings import load_settings
from magdr_video.types import FrameBatch
from tests.faces.batches import make_clip
from tests.faces.test_tracker import FakeDetector, run, tracks_of

POINTS = (468, 473, 1, 61, 291)
"""Eyes, nose and mouth corners of the face mesh."""


def aligned(picture: NDArray[np.uint8], points: NDArray[np.floating]) -> NDArray[np.float32]:
    affine = similarity(points[None], template("celeba", CROP))[0]
    warped = cv2.warpAffine(picture, affine, (CROP, CROP), flags=cv2.INTER_LINEAR)
    return np.moveaxis(warped, -1, 0).astype(np.float32) / 255


def series(data: Path, *attributes: str) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
    """Synthetic identities at three levels of attributes: identity, level, aligned crop."""
    held = np.load(data / "omi" / "landmarks.npz")
    marks = dict(zip(held["files"].tolist(), held["landmarks"], strict=True))
    for path in sorted((data / "omi" / "series").glob("*_*_?.jpg")):
        name, about, level = path.stem.split("_")
        if about in attributes:
            picture = np.asarray(Image.open(path).convert("RGB"))
            points = marks[f"series/{path.name}"][list(POINTS), :2].astype(np.float64)
            yield name, level, aligned(picture, points * picture.shape[0])


@pytest.fixture(scope="module")
def people(data_dir: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Aligned crops of twelve synthetic identities, each at two levels of two attributes."""
    out: dict[str, list[NDArray[np.float32]]] = {}
    for name, level, crop in series(data_dir, "age", "weight"):
        if name not in out and len(out) == 12:
            break
        if level != "1":
            out.setdefault(name, []).append(crop)
    return out


def test_99_percent_of_pairs_of_one_person_are_told_from_99_percent_of_pairs_of_two(
    data_dir: Path,
) -> None:
    # What README says of `--face PICTURE`, at the limit that is the setting's default.
    limit = load_settings(task="edit").faces.max_distance
    attributes = ("age", "weight", "gender", "outgoing", "smart")
    held = [(name, look_of(crop)) for name, _, crop in series(data_dir, *attributes)]
    same, other = [], []
    for (name, look), (another, seen) in combinations(held, 2):
        (same if name == another else other).append(distance(look, seen))
    assert len({name for name, _ in held}) == 45
    assert len(same) == 4725 and len(other) == 222_750
    assert np.mean(np.array(same) < limit) >= 0.99
    assert np.mean(np.array(other) > limit) >= 0.99


def test_light_contrast_and_size_hardly_count(
    people: dict[str, list[NDArray[np.float32]]],
) -> None:
    for crops in people.values():
        crop = crops[0]
        dim = crop * 0.6 + 0.1
        small = cv2.resize(
            cv2.resize(np.moveaxis(crop, 0, -1), (44, 44), interpolation=cv2.INTER_AREA),
            (CROP, CROP),
        )
        for changed in (dim, np.moveaxis(small, -1, 0)):
            assert distance(look_of(crop), look_of(changed)) < 0.08


def test_a_look_has_unit_length_and_no_distance_to_itself() -> None:
    noise = np.random.default_rng(0).random((3, CROP, CROP))
    for crop in (noise, np.zeros((3, CROP, CROP))):
        assert np.isfinite(look_of(crop)).all()
    look = look_of(noise)
    assert np.linalg.norm(look) == pytest.approx(1, abs=1e-5)
    assert distance(look, look) == pytest.approx(0, abs=1e-5)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector("cpu")


def portrait() -> NDArray[np.uint8]:
    from skimage import data

    return np.asarray(data.astronaut()[:256, 96:352])


def test_the_face_of_a_picture_is_read_whatever_the_file(
    detector: FaceDetector, tmp_path: Path
) -> None:
    looks = []
    for name in ("a face's -.jpg", "b.png"):
        Image.fromarray(portrait()).save(tmp_path / name)
        held = read_reference(tmp_path / name, detector, "cpu", limit=0.14)
        looks.append(held.look)
    assert distance(*looks) < 0.02


def test_a_picture_without_a_face_or_that_is_none_is_3(
    detector: FaceDetector, tmp_path: Path
) -> None:
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    (tmp_path / "text.png").write_text("no picture")
    for name, message in (
        ("wall.png", "no face"),
        ("text.png", "can be decoded"),
        ("none.png", "does not exist"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read_reference(tmp_path / name, detector, "cpu", limit=0.14)
        assert caught.value.exit_code == 3 and caught.value.hint


def unit(*values: float) -> Look:
    look = np.array(values, np.float32)
    return look / np.linalg.norm(look)


def test_the_track_that_looks_like_the_picture_is_taken_from_its_first_frame() -> None:
    """The left face is at distance 0.02 in most frames, but looks away in the first."""

    def describe(batch: FrameBatch, index: int, landmarks: NDArray[np.floating]) -> Look:
        if landmarks[:, 0].mean() > 100:
            return unit(0, 1, 1)
        return unit(0, 1, 0) if batch.first_index + index == 0 else unit(1, 0.2, 0)

    reference = Reference("ref.jpg", unit(1, 0, 0), limit=0.14)
    detector = FakeDetector(lambda n: [(150, 50, 60)] if n < 5 else [(150, 50, 60), (50, 50, 40)])
    for first in (0, 5):
        detector.scene = lambda n, first=first: [(150, 50, 60), (50, 50, 40)][: 1 + (n >= first)]
        tracker = FaceTracker(detector, which="ref.jpg", reference=reference, describe=describe)
        seen = run(tracker, make_clip(40))
        assert [len(faces) for faces in seen.values()] == [0] * first + [1] * (40 - first)
        assert all(faces[0][1][2, 0] < 100 for faces in seen.values() if faces)
        near, far = sorted(tracker.likenesses, key=lambda one: one.distance)
        assert (near.is_chosen, far.is_chosen) == (True, False)
        assert near.distance == pytest.approx(0.02, abs=0.01)
        assert far.distance > 0.9


def test_nobody_is_taken_where_nobody_looks_like_the_picture() -> None:
    tracker = FaceTracker(
        FakeDetector(lambda _: [(50, 50, 40)]),
        which="ref.jpg",
        reference=Reference("ref.jpg", unit(1, 0), limit=0.14),
        describe=lambda *_: unit(1, 1),
    )
    assert tracks_of(run(tracker, make_clip(20))) == [[]] * 20
    assert tracker.likenesses[0].distance == pytest.approx(1 - 0.5**0.5, abs=1e-3)


def test_real_faces_are_described_on_their_frames(detector: FaceDetector) -> None:
    from magdr_video.video.clip_info import ClipInfo
    from magdr_video.video.colour import rgb_to_batch

    frames = np.stack([portrait(), portrait()[:, ::-1]])
    batch = rgb_to_batch(frames, ClipInfo.synthetic(256, 256, 25))
    marks = [found.landmarks[0] for found in detector(batch, [0, 1])]
    describe = describer("cpu", 1.0)
    assert distance(describe(batch, 0, marks[0]), describe(batch, 0, marks[0] + 1)) < 0.05
    assert distance(describe(batch, 0, marks[0]), describe(batch, 1, marks[1])) > 0.02
