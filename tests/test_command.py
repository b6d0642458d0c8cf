"""The command line as a user meets it: exit codes one by one, and where words go.

No run here needs weights or a face: each ends before, at, or because of what is tested.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

from magdr_video import __version__
from magdr_video import runs as runs_module
from magdr_video.command import main
from magdr_video.command.app import describe
from magdr_video.command.inputs import expand
from magdr_video.command.tables import show_verdicts
from magdr_video.errors import Interrupted, MagdrError, RuntimeFailure
from magdr_video.provenance import output_metadata
from magdr_video.report import report_document
from magdr_video.settings import flatten, load_settings
from magdr_video.types import RunReport
from tests.clips import ClipPlan, make_clip

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "magdr_video" / "report.schema.json").read_text("utf-8"))


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("magdr-video:")]


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program in this process; signals are left as pytest has them."""
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    for name in [name for name in os.environ if name.startswith("MAGDR_")]:
        monkeypatch.delenv(name)
    # No settings of whoever runs the tests.
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")

    def start(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        code = caught.value.code
        captured = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return start


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    make_clip(path, ClipPlan(frames=3))
    return path


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Puts a stand-in for the networks; the sources that reached it, in order."""
    seen: list[Path] = []

    def translate(source: Path, target: Path, settings: Any, **_: Any) -> dict[str, Any]:
        seen.append(source)
        if "bad" in source.name:
            raise RuntimeFailure("the stage failed")
        target.write_bytes(b"film")
        return document("defend", source, target, settings)

    def inspect(source: Path, settings: Any, **_: Any) -> dict[str, Any]:
        seen.append(source)
        return document("detect", source, None, settings)

    monkeypatch.setattr(runs_module, "load_models", lambda settings: None)
    monkeypatch.setattr(runs_module, "translate_clip", translate)
    monkeypatch.setattr(runs_module, "detect_clip", inspect)
    return seen


def document(command: str, source: Path, target: Path | None, settings: Any) -> dict[str, Any]:
    report = RunReport(frames_in=3, frames_out=3, faces=3, faces_perturbed=2)
    return report_document(
        command=command, source=source, output=target, settings=settings, report=report
    )


def assert_error(outcome: Outcome, code: int, word: str) -> None:
    """One line that says it, on stderr, and nothing on stdout."""
    assert outcome.code == code, outcome.err
    assert len(outcome.error_lines) == 1
    assert word in outcome.error_lines[0]
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def assert_nothing_new(folder: Path, *known: Path) -> None:
    assert sorted(folder.iterdir()) == sorted(known)


def test_a_missing_file_is_3(run: Run, tmp_path: Path) -> None:
    for command in ("defend", "detect"):
        assert_error(run(command, tmp_path / "none.mp4"), 3, "does not exist")


def test_a_directory_without_videos_is_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    outcome = run("defend", tmp_path)
    assert_error(outcome, 3, "holds no videos")
    assert ".mp4" in outcome.err


@pytest.mark.parametrize("command", ["defend", "detect", "info"])
def test_a_text_file_called_mp4_is_3(run: Run, tmp_path: Path, command: str) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("this is no film\n" * 100)
    assert_error(run(command, path), 3, "text.mp4")
    assert_nothing_new(tmp_path, path)


def test_an_empty_file_is_3(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert_error(run("defend", path), 3, "empty")


def test_an_unknown_task_is_4_and_names_the_nearest(run: Run, clip: Path) -> None:
    outcome = run("defend", clip, "--task", "reanact")
    assert_error(outcome, 4, "reanact")
    assert "did you mean 'reenact'?" in outcome.err


def test_an_unknown_key_is_4_and_names_the_nearest(run: Run, clip: Path) -> None:
    outcome = run("defend", clip, "--set", "faces.perod=2")
    assert_error(outcome, 4, "faces.perod")
    assert "did you mean 'faces.period'?" in outcome.err


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_picture_of_a_face_that_is_missing_is_3_and_no_face_at_all_is_4(
    run: Run, clip: Path, dry: tuple[str, ...]
) -> None:
    assert_error(run("defend", clip, "--face", "none.jpg", *dry), 3, "none.jpg does not exist")
    assert_error(run("defend", clip, "--face", "second", *dry), 4, "names no face")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--crf", "64"),
        ("--set", "faces.period=0"),
        ("--hdr", "maybe"),
        ("--provenance", "some"),
        ("--preset", "none.toml"),
        ("-e", "tune"),
        ("--device", "gpu"),
    ],
)
def test_a_wrong_value_is_4(run: Run, clip: Path, arguments: tuple[str, ...]) -> None:
    assert_error(run("defend", clip, *arguments), 4, "")
    assert_nothing_new(clip.parent, clip)


def test_a_wrong_progress_mode_is_2(run: Run, clip: Path) -> None:
    outcome = run("detect", clip, "--progress", "bars")
    assert_error(outcome, 2, "bars")
    assert "did you mean 'bar'?" in outcome.err


def test_yes_and_no_together_are_2(run: Run, clip: Path) -> None:
    assert_error(run("defend", clip, "-y", "-n"), 2, "contradict")


def test_two_inputs_with_one_output_file_are_2(run: Run, clip: Path, tmp_path: Path) -> None:
    other = clip.with_name("other.mp4")
    assert_error(run("defend", clip, other, "-o", tmp_path / "out.mp4"), 2, "cannot all become")


def test_two_inputs_that_would_become_one_file_are_2(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    # AVI carries no exact times, so that clip.avi, too, would become clip_defended.mp4.
    other = clip.with_suffix(".avi")
    other.write_bytes(clip.read_bytes())
    assert_error(run("defend", clip, other, "-y"), 2, "would both become")
    assert translated == []


@pytest.mark.parametrize("arguments", [("defend",), ("defend", "a.mp4", "--no-such"), ("nothing",)])
def test_flags_and_commands_that_do_not_exist_are_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2


def test_an_output_that_exists_is_7_and_stays(run: Run, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    outcome = run("defend", clip, "-o", target)
    assert_error(outcome, 7, "exists")
    assert "-y" in outcome.err
    assert target.read_bytes() == b"precious"


def test_an_output_that_is_the_input_is_7_even_with_yes(run: Run, clip: Path) -> None:
    before = clip.read_bytes()
    assert_error(run("defend", clip, "-o", clip, "-y"), 7, "is the input")
    assert clip.read_bytes() == before


def test_a_folder_that_does_not_exist_is_7(run: Run, clip: Path, tmp_path: Path) -> None:
    assert_error(run("defend", clip, "-o", tmp_path / "none" / "out.mp4"), 7, "none")


def test_missing_weights_are_5(run: Run, clip: Path) -> None:
    outcome = run("defend", clip, "--set", "model.generator=nope")
    assert_error(outcome, 5, "nope")
    assert_nothing_new(clip.parent, clip)


def test_weights_that_are_no_weights_are_5(run: Run, clip: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(b"\x00" * 100)
    outcome = run("defend", clip, "--set", f"model.generator={fake}")
    assert_error(outcome, 5, "fake")
    assert_nothing_new(tmp_path, clip, fake)


def test_cuda_without_cuda_is_6(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = run("defend", clip, "--device", "cuda")
    assert_error(outcome, 6, "cuda")
    assert "auto" in outcome.err


def test_required_provenance_is_8(run: Run, clip: Path) -> None:
    assert_error(run("defend", clip, "--provenance", "require"), 8, "C2PA")
    assert_nothing_new(clip.parent, clip)


def test_some_of_several_failed_is_9_and_the_others_are_done(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("no film")
    outcome = run("defend", text, clip, "--json", "-q")
    assert outcome.code == 9
    assert "1 of 2 inputs failed" in outcome.err
    assert translated == [clip]
    assert (tmp_path / "clip_defended.mp4").exists()
    made = json.loads(outcome.out)["runs"]
    assert [one["exit_code"] for one in made] == [3, 0]


def test_a_failed_run_has_its_document(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no film")
    outcome = run("detect", path, "--json", "--report", tmp_path / "r.json")
    made = json.loads(outcome.out)
    jsonschema.validate(made, SCHEMA)
    assert outcome.code == made["exit_code"] == 3
    assert made["error"]["message"] in outcome.err
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == made


def test_several_that_fail_alike_keep_their_code(run: Run, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("no film")
    assert run("defend", tmp_path).code == 3


def test_a_stage_that_fails_is_1(run: Run, tmp_path: Path, translated: list[Path]) -> None:
    path = tmp_path / "bad.mp4"
    make_clip(path, ClipPlan(frames=2))
    assert_error(run("defend", path, "--strict"), 1, "the stage failed")


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_signal_gives_its_own_code(
    run: Run,
    clip: Path,
    translated: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise Interrupted("stopped by a signal", signal_number=number)

    monkeypatch.setattr(runs_module, "translate_clip", stopped)
    # Two inputs: a signal ends the batch, it is not one failure of several.
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes())
    outcome = run("defend", clip, other)
    assert outcome.code == code
    assert len(outcome.error_lines) == 1


def test_success_is_0_and_the_report_on_stdout_follows_the_schema(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    outcome = run("defend", clip, "--task", "edit", "--json")
    assert outcome.code == 0
    made = json.loads(outcome.out)
    jsonschema.validate(made, SCHEMA)
    assert made["output"] == str(clip.with_name("clip_defended.mp4"))
    assert "2 of 3 faces perturbed" in outcome.err


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


def test_no_skips_what_exists(run: Run, clip: Path, translated: list[Path]) -> None:
    target = clip.with_name("clip_defended.mp4")
    target.write_bytes(b"precious")
    outcome = run("defend", clip, "-n")
    assert outcome.code == 0
    assert "skipped" in outcome.err
    assert translated == []
    assert target.read_bytes() == b"precious"


def test_yes_overwrites_what_exists(run: Run, clip: Path, translated: list[Path]) -> None:
    target = clip.with_name("clip_defended.mp4")
    target.write_bytes(b"old")
    assert run("defend", clip, "-y").code == 0
    assert target.read_bytes() == b"film"


def test_flags_become_settings(run: Run, clip: Path) -> None:
    given = (
        "--undefended",
        "--no-cache",
        "--crf",
        "20",
        "--face",
        "largest",
        "--set",
        "run.seed=5",
    )
    outcome = run("defend", clip, "--task", "edit", "--print-config", *given)
    assert outcome.code == 0
    shown = {
        cells[0]: cells[1]
        for line in outcome.out.splitlines()
        if len(cells := [cell.strip() for cell in line.split("│")[1:-1]]) == 4
    }
    assert shown.keys() >= flatten(load_settings(task="edit")).keys()
    for key, value in {
        "task": "edit",
        "detection.enabled": "False",
        "reconstruction.cache": "False",
        "output.crf": "20",
        "faces.which": "largest",
        "run.seed": "5",
        "run.strict": "False",
    }.items():
        assert shown[key] == value, key


def test_detect_takes_the_condition_that_its_generator_is_judged_under(
    run: Run, clip: Path
) -> None:
    given = ("--attributes", "Blond_Hair", "--no-cache", "--print-config")
    outcome = run("detect", clip, "--task", "edit", *given)
    assert outcome.code == 0
    for key, value in (("condition.attributes", "Blond_Hair"), ("reconstruction.cache", "False")):
        assert any(key in line and value in line for line in outcome.out.splitlines()), key
    outcome = run("detect", clip, "--expression", "sad", "--print-config")
    assert any("condition.expression" in x and "sad" in x for x in outcome.out.splitlines())


def test_the_environment_reaches_the_run_and_is_named(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGDR_CRF", "33")
    for command in (("defend", "--print-config"), ("detect", "--print-config")):
        outcome = run(command[0], clip, *command[1:])
        assert outcome.code == 0
        assert any("33" in line and "MAGDR_CRF" in line for line in outcome.out.splitlines())


def test_a_directory_means_its_videos_without_our_own_outputs(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.mkv", "a_defended.mkv", "c.txt", ".a.mkv.part"):
        (tmp_path / name).touch()
    assert [source.path.name for source in expand([tmp_path])] == ["a.mkv", "b.MP4"]


def test_info_shows_picture_and_marks(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "marked.mp4"
    make_clip(path, ClipPlan(frames=2, metadata=output_metadata("edit", "auto", {})))
    outcome = run("info", path, "--json")
    assert outcome.code == 0
    shown = json.loads(outcome.out)
    assert shown["picture"].startswith("64x48")
    assert "made by magdr-video" in shown["mark"]
    assert "IPTC" in shown["mark"]


def test_info_of_a_missing_file_is_3(run: Run, tmp_path: Path) -> None:
    assert_error(run("info", tmp_path / "none.mp4"), 3, "does not exist")


def test_showing_unknown_weights_is_5(run: Run) -> None:
    assert_error(run("models", "show", "nope"), 5, "nope")


@pytest.mark.parametrize("name", ["bisenet-compact", "cyclegan-synthetic-ab"])
def test_weights_are_shown_with_their_card(run: Run, name: str) -> None:
    outcome = run("models", "show", name)
    assert outcome.code == 0
    assert f"# {name.removesuffix('-ab')}" in outcome.out.splitlines()


def test_an_earlier_demo_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "source.mp4").write_bytes(b"precious")
    outcome = run("demo", "-o", tmp_path)
    assert_error(outcome, 7, "exists")
    assert_nothing_new(tmp_path, tmp_path / "source.mp4")


def test_version_is_told(run: Run) -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"magdr-video {__version__}\n")


def test_an_error_is_one_line_and_its_hint_another() -> None:
    assert describe(MagdrError("it broke")) == "magdr-video: it broke"
    assert describe(MagdrError("it broke", hint="mend it")).splitlines() == [
        "magdr-video: it broke",
        "  hint: mend it",
    ]


@pytest.mark.parametrize("arguments", [["--help"], ["defend", "--help"], ["demo", "--help"]])
def test_help_imports_neither_torch_nor_av(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom magdr_video.command import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'torchvision', 'av', 'cv2', 'numpy', 'kornia'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_the_program_starts_from_a_checkout_and_as_a_module(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.mp4")
    for start in (["cli.py"], ["-m", "magdr_video"]):
        done = subprocess.run(
            [sys.executable, *start, "detect", missing],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 3
        assert done.stderr.startswith("magdr-video: ")
        assert "Traceback" not in done.stderr


def test_training_recipes_are_reached_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "calibrate", "--help"])
    assert ended.value.code == 0
    assert "--attacked" in capsys.readouterr().out


def test_an_unknown_recipe_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "stargn"])
    assert ended.value.code == 2
    assert "stargan" in capsys.readouterr().err


def test_a_directory_and_an_archive_rerun_does_what_is_left(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name in ("a.mp4", "bad.mp4", "c.mp4"):
        (films / name).write_bytes(clip.read_bytes())
    words = ("defend", films, "-o", tmp_path / "made" / "here", "--archive", tmp_path / "done")
    assert run(*words, "-q").code == 9
    assert [path.name for path in translated] == ["a.mp4", "bad.mp4", "c.mp4"]
    assert len((tmp_path / "done").read_text().splitlines()) == 2
    translated.clear()
    (films / "d.mp4").write_bytes(clip.read_bytes())
    outcome = run(*words, "--json")
    assert [path.name for path in translated] == ["bad.mp4", "d.mp4"]
    made = json.loads(outcome.out)
    assert [Path(one["input"]).name for one in made["skipped"]] == ["a.mp4", "c.mp4"]
    assert "done before" in made["skipped"][0]["reason"]
    assert (made["done"], made["failed"], made["exit_code"], outcome.code) == (1, 1, 9, 9)
    assert (tmp_path / "made" / "here" / "d_defended.mp4").exists()


def test_recursion_keeps_the_folders(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    deep = tmp_path / "films" / "x" / "y"
    deep.mkdir(parents=True)
    (deep / "a.mp4").write_bytes(clip.read_bytes())
    assert run("defend", tmp_path / "films", "-r", "-o", tmp_path / "made", "-q").code == 0
    assert (tmp_path / "made" / "x" / "y" / "a_defended.mp4").exists()


def test_fail_fast_stops_at_the_first_failure(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_text("no film")
    outcome = run("defend", tmp_path, "--fail-fast", "-q", "--json")
    assert translated == []
    assert json.loads(outcome.out)["left"] == [str(clip)]
    assert outcome.code == 3


def test_a_dry_run_of_many_makes_no_folder_and_ends_as_the_run_would(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        device, weights = torch.device("cpu"), ("none",)

    monkeypatch.setattr(runs_module, "load_models", lambda settings: Nothing())
    (tmp_path / "a.mp4").write_text("no film")
    outcome = run("defend", tmp_path, "--dry-run", "-o", tmp_path / "made")
    assert outcome.code == 9
    assert "clip_defended.mp4" in outcome.out
    assert_nothing_new(tmp_path, clip, tmp_path / "a.mp4")


def test_json_progress_is_one_object_a_line(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_text("no film")
    outcome = run("defend", tmp_path, "--progress", "json")
    events = [json.loads(line) for line in outcome.err.splitlines() if line.startswith("{")]
    # What is left is the error that the program ends with.
    assert len(events) == len(outcome.err.splitlines()) - 1
    ends = [(one["file"], one["files"], one["exit_code"]) for one in events if "exit_code" in one]
    assert ends == [(1, 2, 3), (2, 2, 0)]
    begun = next(one for one in events if one["event"] == "begin")
    assert (begun["input"], begun["total_seconds"]) == ("clip.mp4", pytest.approx(0.12, abs=0.01))
    assert any(one["event"] == "note" and "2 of 3 faces" in one["text"] for one in events)


def test_a_comparison_film_is_asked_for_with_a_file_or_a_directory(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films: list[Path] = []

    def film(source: Path, target: Path, path: Path, *_: Any, **__: Any) -> None:
        films.append(path)
        path.write_bytes(b"film")

    monkeypatch.setattr("magdr_video.comparison.write_comparison", film)
    path = tmp_path / "film.mp4"
    outcome = run("defend", clip, "--compare", path)
    assert (outcome.code, films) == (0, [path])
    assert f"comparison film: {path}" in outcome.err
    (tmp_path / "clip_defended.mp4").unlink()
    assert_error(run("defend", clip, "--compare", path), 7, "film.mp4 exists")
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes())
    assert run("defend", clip, other, "--compare", path).code == 2
    assert run("defend", clip, other, "-q", "--compare", tmp_path / "films").code == 0
    assert [p.name for p in films[1:]] == ["clip_compared.mp4", "other_compared.mp4"]
    for words in (("--undefended",), ("--start", "1"), ("-o", "-")):
        assert run("defend", clip, "--compare", path, *words).code == 2
    assert run("detect", "-", "--sample", "3").code == 2
