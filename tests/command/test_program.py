"""The program itself: help, versions, weights, how it starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from magdr_video import __version__
from magdr_video.command import main
from magdr_video.errors import MagdrError, describe
from magdr_video.provenance import output_metadata
from tests.clips import ClipPlan, make_clip
from tests.command.outcome import Run, assert_error, assert_nothing_new

ROOT = Path(__file__).resolve().parents[2]


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


def test_only_the_weights_that_are_named_are_verified(run: Run) -> None:
    outcome = run("models", "verify", "au-estimator", "bisenet-compact")
    shown = [line.split("│")[1:-1] for line in outcome.out.splitlines() if "│" in line]
    assert outcome.code == 0
    assert [[cell.strip() for cell in row] for row in shown] == [
        ["au-estimator", "ok"],
        ["bisenet-compact", "ok"],
    ]


def test_verifying_unknown_weights_is_5(run: Run) -> None:
    outcome = run("models", "verify", "bisenet-compacd")
    assert_error(outcome, 5, "no weights are named 'bisenet-compacd'")
    assert "did you mean 'bisenet-compact'?" in outcome.err


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_what_is_printed_to_a_full_disk_is_7_and_one_line() -> None:
    words = ["defend", "a.mp4", "--task", "edit", "--print-config"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "magdr_video", *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 7
    said = done.stderr.splitlines()
    assert said[0] == "magdr-video: no space left for standard output"
    assert len(said) == 2


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
