"""`protect` from file to file; only the finding of faces is replaced, to stay fast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from magdr_video import protection
from magdr_video.attacks.registry import ATTACKS
from magdr_video.device import batch_size
from magdr_video.encoding import chosen_encoding, later_encodings
from magdr_video.errors import OutputError, PolicyError, SettingsError
from magdr_video.faces.alignment import align
from magdr_video.loading import Models
from magdr_video.models.record import ModelRecord
from magdr_video.models.stargan import StarGAN
from magdr_video.protection import protect_clip
from magdr_video.provenance import output_metadata, protection_metadata, read_marks
from magdr_video.settings import ATTACK_NAMES, Settings, load_settings
from magdr_video.translation import Translator, condition_set
from magdr_video.types import FaceCrops, Faces, FrameBatch
from magdr_video.video.reader import ClipReader, probe
from tests.clips import ClipPlan, make_clip

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "magdr_video" / "report.schema.json").read_text("utf-8"))
BOX = (16.0, 8.0, 48.0, 40.0)
RECORD = ModelRecord(
    name="toy", path=Path("toy"), task="edit", architecture="stargan", layout="attention",
    size=32, alignment="box", parameters=1, data="", licence="", sha256="0" * 64,
    conditions=("Black_Hair", "Male"), shipped=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def models() -> Models:
    torch.manual_seed(0)
    net = StarGAN(width=4, blocks=1, condition=2, attention=True).eval().requires_grad_(False)
    return Models(
        device=torch.device("cpu"), translator=Translator(RECORD, net), parser=net,
        parser_size=32, table=None, recnet=None, condition=(1.0, 0.5), weights={"toy": "0" * 64},
    )  # fmt: skip


def crops_in(
    source: Path, settings: Settings, models: Models
) -> Iterator[tuple[FrameBatch, FaceCrops]]:
    """A face in the same place of every frame but the first."""
    with ClipReader(source, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        for batch in reader:
            frame = np.array([f for f in range(len(batch)) if batch.first_index + f > 0])
            count = len(frame)
            faces = Faces(
                frame=frame.astype(np.int64),
                boxes=np.tile(np.float32(BOX), (count, 1)),
                landmarks=np.zeros((count, 5, 2), np.float32),
                scores=np.ones(count, np.float32),
                track=np.zeros(count, np.int64),
                filled=np.zeros(count, np.bool_),
            )
            yield batch, align(batch, faces, 32, "box")


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(protection, "crops_of", crops_in)
    path = tmp_path / "clip.mp4"
    make_clip(path, ClipPlan(frames=5, metadata={"comment": "filmed by A. B."}))
    return path


def settings_of(*overrides: str) -> Settings:
    held = ("protection.steps=2", "protection.later_crf=30", "run.batch=2", *overrides)
    return load_settings(task="edit", overrides=held)


def luma(path: Path) -> np.ndarray[Any, Any]:
    with ClipReader(path) as reader:
        return np.concatenate([batch.planes[0] for batch in reader]).astype(int)


def run(clip: Path, models: Models, *overrides: str, name: str = "out.mkv") -> dict[str, Any]:
    return protect_clip(clip, clip.with_name(name), settings_of(*overrides), models)


@pytest.mark.parametrize("mode", ["frame", "shared", "carried"])
def test_faces_change_within_epsilon_and_nothing_else_does(
    mode: str, clip: Path, models: Models
) -> None:
    document = run(clip, models, f"protection.mode={mode}")
    change = np.abs(luma(clip.with_name("out.mkv")) - luma(clip))
    assert change[0].max() == 0  # no face there
    x0, y0, x1, y1 = (int(value) for value in BOX)
    inside = change[1:, y0:y1, x0:x1]
    assert inside.max() >= 3
    # 6.375 levels of RGB, 219/255 of that in luma, and rounding
    assert inside.max() <= 6.375 * 219 / 255 + 1
    assert document["protection"]["mode"] == mode
    assert document["run"]["faces"] == 4 and document["run"]["frames_without_face"] == 1
    outside = change.copy()
    outside[:, y0 - 6 : y1 + 6, x0 - 6 : x1 + 6] = 0
    assert outside.max() == 0


def test_the_report_follows_its_schema_and_names_every_row(clip: Path, models: Models) -> None:
    document = run(clip, models)
    jsonschema.validate(document, SCHEMA)
    beside = json.loads((clip.parent / "out.mkv.magdr.json").read_text("utf-8"))
    assert beside == document
    about = document["protection"]
    assert about["epsilon"] == 0.05 and about["epsilon_of_255"] == 6.375
    assert [row["what"] for row in about["rows"]] == [
        "perturbed crops, before pasting and encoding",
        "libx264, lossless",
        "libx264, lossless, codec alone",
        "then H.264 crf 30",
        "H.264 crf 30, codec alone",
    ]
    made, written, lossless, later, alone = about["rows"]
    assert all(row["faces"] == 4 for row in about["rows"])
    assert made["mean_error"] > 0 and written["mean_error"] > 0
    assert lossless["mean_error"] == 0 and lossless["psnr_of_crops"] == 60
    assert alone["mean_error"] > 0 and alone["psnr_of_crops"] < 60
    assert later["psnr_of_crops"] < written["psnr_of_crops"]


def test_a_named_quality_gives_one_encoding_and_its_codec_row(clip: Path, models: Models) -> None:
    document = run(clip, models, "protection.lossless=false", "output.crf=35", name="lossy.mp4")
    rows = document["protection"]["rows"]
    assert [row["what"] for row in rows[1:]] == ["libx264 crf 35", "libx264 crf 35, codec alone"]
    assert rows[2]["mean_error"] > 0


def test_one_seed_gives_one_film_and_another_another(clip: Path, models: Models) -> None:
    run(clip, models, name="a.mkv")
    run(clip, models, name="b.mkv")
    run(clip, models, "run.seed=7", name="c.mkv")
    a, b, c = (luma(clip.with_name(f"{name}.mkv")) for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_batch_size_does_not_change_the_film(clip: Path, models: Models) -> None:
    run(clip, models, name="a.mkv")
    run(clip, models, "run.batch=5", name="b.mkv")
    apart = luma(clip.with_name("a.mkv")) != luma(clip.with_name("b.mkv"))
    assert apart.mean() < 0.005  # convolutions round differently in batches


def test_the_mark_says_perturbed_and_not_generated(clip: Path, models: Models) -> None:
    run(clip, models)
    tags = probe(clip.with_name("out.mkv")).metadata
    comment = {key.lower(): value for key, value in tags.items()}["comment"]
    assert "perturbed by magdr-video" in comment and "pgd" in comment and "6.375/255" in comment
    assert "filmed by A. B." in comment
    assert "AlgorithmicMedia" not in " ".join(tags.values())
    assert any("perturbed" in mark for mark in read_marks(tags))


def test_a_mark_of_generated_content_in_the_source_stays() -> None:
    generated = output_metadata("edit", "auto", {})
    comment = protection_metadata("pgd", "auto", generated)["comment"]
    assert "perturbed" in comment and "AI-modified" in comment
    assert protection_metadata("pgd", "none", {}) == {}
    with pytest.raises(PolicyError):
        protection_metadata("pgd", "require", {})


def test_nothing_is_left_when_the_output_exists(clip: Path, models: Models) -> None:
    target = clip.with_name("out.mkv")
    target.write_bytes(b"mine")
    with pytest.raises(OutputError):
        run(clip, models)
    assert target.read_bytes() == b"mine"
    assert not target.with_name(".out.mkv.part").exists()


def test_a_clip_without_faces_is_written_as_it_is(
    clip: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*given: Any) -> Iterator[tuple[FrameBatch, FaceCrops]]:
        for batch, crops in crops_in(*given):
            nothing = replace(
                crops, data=crops.data[:0], affine=crops.affine[:0], faces=Faces.none()
            )
            yield batch, nothing

    monkeypatch.setattr(protection, "crops_of", none)
    document = run(clip, models, "protection.mode=shared")
    assert np.array_equal(luma(clip), luma(clip.with_name("out.mkv")))
    assert document["run"]["notes"][-1].startswith("no face was found")
    assert document["protection"]["rows"][0]["mean_error"] is None
    jsonschema.validate(document, SCHEMA)


def test_settings_name_every_attack_that_needs_no_defence() -> None:
    assert set(ATTACK_NAMES) == set(ATTACKS) - {"adaptive"}


@pytest.mark.parametrize("text", ["high", "18,99", "-1", "²"])
def test_a_quality_that_h264_does_not_have_is_refused(text: str) -> None:
    held = settings_of(f"protection.later_crf={text}").protection
    with pytest.raises(SettingsError, match="later_crf"):
        later_encodings(held)


def test_ten_bit_webm_cannot_be_lossless(clip: Path) -> None:
    info = replace(probe(clip), bits=10)
    with pytest.raises(SettingsError, match="loses"):
        chosen_encoding(Path("x.webm"), info, settings_of(), {})


def test_conditions_of_joint_attacks_begin_with_the_one_asked() -> None:
    held = condition_set(RECORD, (0.0, 1.0))
    assert held[0] == (0.0, 1.0)
    assert set(held[1:]) == {(1.0, 0.5)}
    other = replace(RECORD, conditions=("zoom",))
    assert condition_set(other, (0.3,)) == ((0.3,),)


def test_progress_reaches_the_end(clip: Path, models: Models) -> None:
    seen: list[tuple[int, Fraction]] = []
    protect_clip(
        clip, clip.with_name("out.mkv"), settings_of(), models,
        tick=lambda frames, seconds: seen.append((frames, seconds)),
    )  # fmt: skip
    assert [frames for frames, _ in seen] == [2, 4, 5]
