"""The faces of a calibration: kinds in turn, and chains that a refit leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from magdr_video.training import calibrate as calibrate_module
from magdr_video.training.calibrate import DEFAULT_CHAIN, _recipe_of
from magdr_video.training.calibration_faces import in_turn
from magdr_video.training.calibration_table import table_text
from magdr_video.training.calibrator import repeated
from magdr_video.training.clean_faces import CLEAN, ROUGH, STRONG_NOISE, face_files, unseen_files
from magdr_video.transforms import parse_chain
from tests.toys import pictures, toy_table


def test_each_face_takes_one_kind_and_the_kinds_take_turns() -> None:
    faces = pictures(5)
    kinds = ["photograph", "small face", "strong noise"]
    got = in_turn(faces, kinds)
    for place in range(5):
        kind = kinds[place % 3]
        same = bool((got[place] == faces[place]).all())
        assert same == (kind == "photograph"), place
    torch.testing.assert_close(got[1::3], CLEAN["small face"](faces[1::3]))


def test_strong_noise_is_as_strong_as_a_perturbation() -> None:
    grey = torch.full((2, 3, 64, 64), 0.5)
    assert abs(float((CLEAN["strong noise"](grey) - grey).std()) - STRONG_NOISE) < 1e-3
    assert set(ROUGH) < set(CLEAN)


def test_a_calibration_keeps_the_chain_of_the_table_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new task.toml"
    assert _recipe_of(path) == parse_chain(DEFAULT_CHAIN)
    chain = "guided(eps=0.01) > jpeg(quality=75)"
    path.write_text(table_text(toy_table(recipe=chain), ["Made by hand"]), encoding="utf-8")
    assert _recipe_of(path) == parse_chain(chain)


def test_the_command_line_says_what_is_measured_and_with_whose_preset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(calibrate_module, "calibrate", lambda *given: seen.extend(given) or "")
    words = ["--task", "edit", "--preset", "mine.toml", "--out", str(tmp_path), "--faces", "3"]
    words += ["--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["calibrate", *words])
    calibrate_module.main()
    assert seen[0] == "edit" and seen[2:] == [tmp_path, Path("mine.toml"), "cpu"]
    assert isinstance(seen[1], calibrate_module.Plan) and seen[1].faces == 3


def test_a_detector_is_fitted_and_judged_on_faces_that_no_network_has_seen(tmp_path: Path) -> None:
    (tmp_path / "omi" / "images").mkdir(parents=True)
    for number in range(30):
        (tmp_path / "omi" / "images" / f"{number}.jpg").touch()
    fitted, judged = (unseen_files(tmp_path, judged=part) for part in (False, True))
    assert [path.stem for path in fitted] == ["3", "13", "23"]
    assert [path.stem for path in judged] == ["4", "14", "24"]
    trained = face_files(tmp_path, held_out=False)
    assert not {*fitted, *judged} & set(trained)


def test_a_photograph_that_is_looked_at_again_comes_in_another_kind() -> None:
    files = [Path(str(number)) for number in range(53)]
    held = repeated(files, 5 * 53)
    kinds: dict[Path, list[int]] = {}
    for place, path in enumerate(held):
        kinds.setdefault(path, []).append(place % 10)
    assert len(held) == 5 * 53 and len(kinds) == 53
    assert all(len(set(found)) == len(found) for found in kinds.values())
