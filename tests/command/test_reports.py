"""Where words go: reports on stdout and in files, verdicts, plots, settings."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from magdr_video.command.tables import show_verdicts
from tests.command.outcome import Run

ROOT = Path(__file__).resolve().parents[2]

SCHEMA = json.loads((ROOT / "magdr_video" / "report.schema.json").read_text("utf-8"))


def test_a_failed_run_has_its_document(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no film")
    outcome = run("detect", path, "--json", "--report", tmp_path / "r.json")
    made = json.loads(outcome.out)
    jsonschema.validate(made, SCHEMA)
    assert outcome.code == made["exit_code"] == 3
    assert made["error"]["message"] in outcome.err
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == made


def test_success_is_0_and_the_report_on_stdout_follows_the_schema(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    outcome = run("defend", clip, "--task", "edit", "--json")
    assert outcome.code == 0
    made = json.loads(outcome.out)
    jsonschema.validate(made, SCHEMA)
    assert made["output"] == str(clip.with_name("clip_defended.mp4"))
    assert "2 of 3 faces perturbed" in outcome.err


def test_an_undefended_run_counts_its_faces_and_judges_none(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    outcome = run("defend", clip, "--task", "edit", "--undefended", "--json")
    assert outcome.code == 0
    assert "perturbed" not in outcome.err and "3 faces, not inspected" in outcome.err
    assert "faces_perturbed" not in json.loads(outcome.out)["run"]


def test_quiet_says_nothing(run: Run, clip: Path, translated: list[Path]) -> None:
    outcome = run("defend", clip, "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_the_report_file_holds_what_json_prints(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    outcome = run("detect", clip, "--json", "--report", tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == json.loads(outcome.out)


def test_detect_draws_the_scores_where_it_is_told_to(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    assert run("detect", clip, "--plot", tmp_path / "scores.png").code == 0
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("plot", "code"), [("scores.mp4", 4), ("nowhere/scores.png", 7)], ids=["ending", "folder"]
)
def test_a_plot_that_cannot_be_drawn_is_refused_before_any_work(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path, plot: str, code: int
) -> None:
    assert run("detect", clip, "--plot", tmp_path / plot).code == code
    assert translated == []


def test_several_clips_do_not_share_one_plot(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes())
    assert run("detect", clip, other, "--plot", tmp_path / "scores.png").code == 2
    assert run("detect", clip, other, "--plot", tmp_path).code == 0
    assert {path.stem for path in tmp_path.glob("*.png")} >= {clip.stem, "other"}


def test_detect_fails_on_request_when_a_face_is_perturbed(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    assert run("detect", clip).code == 0
    assert run("detect", clip, "--fail-if-perturbed").code == 1


def test_verdicts_are_shown_even_where_a_number_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = {"s_dist": 1.5, "s_cons": None, "s_mean": 0.25, "s_final": None}
    verdict = {"track": 3, "frame": 7, "perturbed": True, "regions": ["hair"], **numbers}
    run = {"verdicts": [verdict], "faces": 2, "faces_perturbed": 1, "notes": []}
    show_verdicts({"input": "in.mp4", "run": run})
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if "hair" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "3", "7", "perturbed", "-", "1.50", "-", "0.25", "-", "hair",
    ]  # fmt: skip
    assert "1 of 2 face-frames perturbed" in shown
