"""Tiny fake layouts of each data set; the real ones are far too large for a test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from magdr_video.benchmark import clip_faces
from magdr_video.benchmark.celeba import CelebA
from magdr_video.benchmark.datasets import (
    SPLITS,
    DataSet,
    hash_of_hashes,
    item_hashes,
    list_hash,
    list_text,
    shared_identities,
)
from magdr_video.benchmark.drawn_faces import DrawnFaces
from magdr_video.benchmark.face_folder import FaceFolder, split_of
from magdr_video.benchmark.faceforensics import MANIPULATIONS, FaceForensics
from magdr_video.benchmark.opening import DATASETS, open_dataset
from magdr_video.benchmark.subject import load_face_set
from magdr_video.benchmark.synthetic_faces import SyntheticFaces
from magdr_video.errors import InputError, SettingsError, UsageError
from magdr_video.faces.detector import FaceDetector
from tests.clips import make_clip


def paint(path: Path, *, width: int = 24, height: int = 24, level: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (level, level, level)).save(path)


def fake_celeba(root: Path, *, nested: bool) -> Path:
    image, anno, parts = (
        (root / "Img", root / "Anno", root / "Eval") if nested else (root, root, root)
    )
    for folder in (image, anno, parts):
        folder.mkdir(parents=True, exist_ok=True)
    files = [f"{n:06d}.jpg" for n in range(1, 7)]
    for n, file in enumerate(files):
        paint(image / "img_align_celeba" / file, width=178, height=218, level=30 * n)
    rows = [f"{f}  1 -1 {'1' if n % 2 else '-1'}" for n, f in enumerate(files)]
    head = ["6", "Black_Hair Blond_Hair Male "]
    (anno / "list_attr_celeba.txt").write_text("\n".join([*head, *rows]) + "\n")
    lines = [f"{f} {100 + n // 2}" for n, f in enumerate(files)]
    (anno / "identity_CelebA.txt").write_text("\n".join(lines) + "\n")
    lines = [f"{f} {n // 2}" for n, f in enumerate(files)]
    (parts / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    return root


def fake_faceforensics(root: Path, *, splits: str = "splits") -> Path:
    pairs = {"train": [["000", "003"]], "val": [["010", "011"]], "test": [["020", "021"]]}
    for name, held in pairs.items():
        (root / splits).mkdir(parents=True, exist_ok=True)
        (root / splits / f"{name}.json").write_text(json.dumps(held))
        for a, b in held:
            for kind, clip in [("", a), ("", b), *((m, f"{a}_{b}") for m in MANIPULATIONS)]:
                place(root, kind, clip)
            for manipulation in MANIPULATIONS:
                place(root, manipulation, f"{b}_{a}")
    return root


def place(root: Path, manipulation: str, clip: str) -> None:
    home = f"manipulated_sequences/{manipulation}" if manipulation else "original_sequences/youtube"
    path = root / home / "c23" / "videos" / f"{clip}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(clip.encode())


def fake_synthetic(root: Path) -> Path:
    for number in (2, 3, 4, 10, 13, 14, 21):
        paint(root / "omi" / "images" / f"{number}.jpg", level=number * 5)
    return root


def fake_folder(root: Path) -> Path:
    for person in range(12):
        for shot in range(2):
            paint(root / f"person{person}" / f"{shot}.png")
    return root


def opened(name: str, root: Path) -> DataSet:
    if name == "celeba":
        fake_celeba(root, nested=True)
    elif name == "faceforensics":
        fake_faceforensics(root)
    elif name == "synthetic":
        fake_synthetic(root)
    elif name == "folder":
        fake_folder(root)
    return open_dataset(name, root)


@pytest.mark.parametrize("name", DATASETS)
def test_splits_are_whole_and_share_no_identity(name: str, tmp_path: Path) -> None:
    data = opened(name, tmp_path)
    names = [item.name for split in SPLITS for item in data.items(split)]
    assert len(names) == len(set(names)) > 0
    assert data.items("train")
    assert shared_identities(data) == {}


@pytest.mark.parametrize("name", DATASETS)
def test_a_list_is_the_same_every_time_and_has_its_hash(name: str, tmp_path: Path) -> None:
    data = opened(name, tmp_path)
    once, again = (open_dataset(name, tmp_path).items("test") for _ in range(2))
    assert once == again
    assert list_hash(data.items("train")) != list_hash(data.items("train")[1:])
    lines = list_text(data, "train").splitlines()
    assert lines[0].startswith("#")
    assert data.about in lines[0]
    assert lines[1:] == [item.name for item in data.items("train")]


@pytest.mark.parametrize("name", DATASETS)
def test_an_unknown_split_is_refused(name: str, tmp_path: Path) -> None:
    data = opened(name, tmp_path)
    with pytest.raises(UsageError, match="no split 'tset'") as caught:
        data.items("tset")
    assert "test" in caught.value.hint


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"drawn"}))
def test_an_empty_folder_is_refused_with_a_hint(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_dataset(name, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.hint


def test_an_unknown_set_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_dataset("celebA", tmp_path)
    assert "celeba" in caught.value.hint


def test_the_hash_of_contents_sees_the_bytes_and_not_the_names(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    paint(first / "x" / "1.png", level=10)
    paint(second / "y" / "2.png", level=10)
    held = [
        [item for split in SPLITS for item in FaceFolder(root).items(split)]
        for root in (first, second)
    ]
    assert list_hash(held[0]) != list_hash(held[1])
    first_sum, second_sum = (hash_of_hashes(item_hashes(items)) for items in held)
    assert first_sum == second_sum
    paint(second / "y" / "2.png", level=11)
    assert hash_of_hashes(item_hashes(held[1])) != first_sum


@pytest.mark.parametrize("nested", [True, False])
def test_celeba_reads_attributes_identities_and_the_official_splits(
    tmp_path: Path, nested: bool
) -> None:
    data = CelebA(fake_celeba(tmp_path, nested=nested))
    items = data.items("validation")
    assert [item.path.name for item in items] == ["000003.jpg", "000004.jpg"]
    assert {item.identity for item in items} == {"101"}
    assert items[0].attributes == {"Black_Hair": True, "Blond_Hair": False, "Male": False}
    assert items[1].attributes["Male"]


def test_celeba_keeps_the_centre_of_178(tmp_path: Path) -> None:
    data = CelebA(fake_celeba(tmp_path, nested=False))
    picture = np.zeros((218, 178, 3), np.uint8)
    picture[20:198] = 255
    Image.fromarray(picture).save(tmp_path / "img_align_celeba" / "000001.jpg", quality=100)
    held = data.images(data.items("train")[:1], 16)
    assert held.shape == (1, 3, 16, 16)
    assert float(held.min()) > 0.9


def test_celeba_names_everything_that_is_missing(tmp_path: Path) -> None:
    fake_celeba(tmp_path, nested=True)
    (tmp_path / "Anno" / "identity_CelebA.txt").unlink()
    (tmp_path / "Eval" / "list_eval_partition.txt").unlink()
    with pytest.raises(InputError) as caught:
        CelebA(tmp_path)
    assert "identity_CelebA.txt, list_eval_partition.txt" in str(caught.value)
    assert "img_align" not in str(caught.value)
    assert "project page of CelebA" in caught.value.hint


def test_celeba_notices_a_missing_image(tmp_path: Path) -> None:
    data = CelebA(fake_celeba(tmp_path, nested=False))
    (tmp_path / "img_align_celeba" / "000005.jpg").unlink()
    assert len(data.items("train")) == 2
    with pytest.raises(InputError, match=r"lacks 000005\.jpg"):
        data.items("test")


@pytest.mark.parametrize("splits", ["splits", "."])
def test_faceforensics_pairs_both_ways_in_four_manipulations(tmp_path: Path, splits: str) -> None:
    items = FaceForensics(fake_faceforensics(tmp_path, splits=splits)).items("test")
    assert [item.path.stem for item in items if not item.manipulation] == ["020", "021"]
    for manipulation in MANIPULATIONS:
        forged = [item for item in items if item.manipulation == manipulation]
        assert [(i.path.stem, i.identity) for i in forged] == [
            ("020_021", "020"),
            ("021_020", "021"),
        ]
    assert len(items) == 2 + 4 * 2


def test_forged_clips_are_no_faces_to_attack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def face(path: Path, size: int) -> torch.Tensor:
        asked.append(path.stem)
        return torch.zeros(3, size, size)

    monkeypatch.setattr(clip_faces, "face_of_clip", face)
    data = FaceForensics(fake_faceforensics(tmp_path))
    assert load_face_set(data, "test", 2, 8).crops.shape == (2, 3, 8, 8)
    assert asked == ["020", "021"]
    with pytest.raises(InputError, match="has 2 faces in its split 'test', 3 are wanted"):
        load_face_set(data, "test", 3, 8)


def test_a_clip_gives_one_aligned_face(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.mpg").symlink_to(data_dir / "clips" / "grid-bbaf2n.mpg")
    data = FaceFolder(tmp_path)
    held = [item for split in SPLITS for item in data.items(split)]
    (crop,) = data.images(held, 128)
    found = FaceDetector().detect((crop.permute(1, 2, 0) * 255).byte().numpy()[None])[0]
    assert len(found) == 1
    eyes = found.landmarks[0, :2]
    # The eyes of the FFHQ template, level, at these shares of the width.
    assert np.abs(eyes[:, 0] / 128 - [0.374, 0.623]).max() < 0.06
    assert np.ptp(eyes[:, 1]) < 4


def test_a_clip_without_a_face_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "empty.mp4"
    make_clip(clip)
    with pytest.raises(InputError, match="shows a face"):
        clip_faces.face_of_clip(clip, 32)


def test_faceforensics_can_do_with_fewer_manipulations(tmp_path: Path) -> None:
    fake_faceforensics(tmp_path)
    data = FaceForensics(tmp_path, manipulations=("FaceSwap",))
    assert {item.manipulation for item in data.items("train")} == {"", "FaceSwap"}
    with pytest.raises(SettingsError) as caught:
        FaceForensics(tmp_path, manipulations=("faceswap",))
    assert "FaceSwap" in caught.value.hint
    with pytest.raises(SettingsError):
        FaceForensics(tmp_path, compression="c32")


def test_faceforensics_names_missing_folders_and_clips(tmp_path: Path) -> None:
    fake_faceforensics(tmp_path)
    lost = tmp_path / "manipulated_sequences" / "Deepfakes" / "c23" / "videos" / "021_020.mp4"
    lost.unlink()
    with pytest.raises(InputError, match=r"Deepfakes/c23/videos/021_020\.mp4"):
        FaceForensics(tmp_path).items("test")
    with pytest.raises(InputError, match="original_sequences/youtube/raw/videos") as caught:
        FaceForensics(tmp_path, compression="raw")
    assert "request form" in caught.value.hint


def test_faceforensics_refuses_a_list_of_another_shape(tmp_path: Path) -> None:
    fake_faceforensics(tmp_path)
    (tmp_path / "splits" / "test.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="no list of pairs"):
        FaceForensics(tmp_path).items("test")


def test_a_persons_photographs_stay_together(tmp_path: Path) -> None:
    data = FaceFolder(fake_folder(tmp_path))
    for split in SPLITS:
        people = [item.identity for item in data.items(split)]
        assert all(people.count(person) == 2 for person in people)
        assert all(split_of(person) == split for person in people)


def test_images_and_clips_do_not_mix(tmp_path: Path) -> None:
    fake_folder(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="both 24 images and 1 clips"):
        FaceFolder(tmp_path)


def test_a_folder_of_clips_holds_clips(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv"):
        (tmp_path / name).write_bytes(b"")
    data = FaceFolder(tmp_path)
    assert data.holds == "clips"
    assert {item.name for split in SPLITS for item in data.items(split)} == {"a.mp4", "b.mkv"}


def test_a_damaged_image_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    data = FaceFolder(tmp_path)
    with pytest.raises(InputError, match=r"a\.png cannot be read"):
        data.images(data.items(split_of("a")), 16)


def test_synthetic_faces_split_by_their_last_digit(tmp_path: Path) -> None:
    data = SyntheticFaces(fake_synthetic(tmp_path))
    assert [item.identity for item in data.items("train")] == ["2", "10", "21"]
    assert [item.identity for item in data.items("validation")] == ["3", "13"]
    assert [item.identity for item in data.items("test")] == ["4", "14"]
    held = data.images(data.items("test"), 8)
    torch.testing.assert_close(held[0], torch.full((3, 8, 8), 20 / 255), atol=0.01, rtol=0)


def test_the_shared_faces_are_there(data_dir: Path) -> None:
    data = SyntheticFaces(data_dir)
    assert [len(data.items(split)) for split in SPLITS] == [702, 101, 101]


def test_drawn_faces_differ_and_repeat() -> None:
    data = DrawnFaces()
    assert data.smoke
    assert [len(data.items(split)) for split in SPLITS] == [12, 6, 6]
    held, again = data.images(data.items("test"), 64), data.images(data.items("test"), 64)
    assert torch.equal(held, again)
    apart = (held[:, None] - held[None]).abs().mean(dim=(2, 3, 4))
    assert float(apart[~torch.eye(6, dtype=torch.bool)].min()) > 0.03
