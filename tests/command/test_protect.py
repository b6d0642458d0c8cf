"""`protect` as a user meets it; the networks are replaced, the command is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magdr_video import protection, runs
from magdr_video.command import main
from magdr_video.report import report_document
from magdr_video.settings import Settings
from magdr_video.types import RunReport
from tests.clips import ClipPlan, make_clip

ROW = {
    "what": "libx264, lossless", "faces": 3, "mean_error": 0.0612, "disrupted": 0.5,
    "mean_error_where_edited": None, "disrupted_where_edited": None, "faces_without_edit": 3,
    "psnr_of_crops": 33.0, "psnr_of_outputs": 18.0,
}  # fmt: skip


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of every clip that reached the stand-in."""
    held: list[Settings] = []

    def protect_clip(
        source: Path, target: Path, settings: Settings, *_: Any, **__: Any
    ) -> dict[str, Any]:
        held.append(settings)
        target.write_bytes(b"film")
        document = report_document(
            command="protect", source=source, output=target, settings=settings,
            report=RunReport(frames_in=3, frames_out=3, faces=3),
        )  # fmt: skip
        about = {"method": "pgd", "epsilon": 0.05, "epsilon_of_255": 6.375, "mode": "frame"}
        document["protection"] = about | {"seed": 0, "faces": 3, "rows": [ROW]}
        return document

    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr(runs, "load_models", lambda settings: None)
    monkeypatch.setattr(protection, "protect_clip", protect_clip)
    return held


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    make_clip(path, ClipPlan(frames=3))
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["protect", *map(str, arguments)])
    return caught.value.code if isinstance(caught.value.code, int) else 0


def test_flags_become_settings_and_the_defence_stays_out(clip: Path, seen: list[Settings]) -> None:
    code = run(
        clip, "--task", "edit", "--method", "momentum", "--epsilon", 0.1, "--steps", 3,
        "--step-size", 0.02, "--mode", "shared", "--generator", "mine", "--progress", "none",
    )  # fmt: skip
    assert code == 0
    (settings,) = seen
    held = settings.protection
    assert (held.method, held.epsilon, held.steps, held.step_size) == ("momentum", 0.1, 3, 0.02)
    assert held.mode == "shared" and held.lossless
    assert settings.model.generator == "mine" and not settings.detection.enabled
    assert (clip.parent / "clip_protected.mp4").read_bytes() == b"film"


@pytest.mark.parametrize("flag", [("--crf", "20"), ("--vcodec", "libx265"), ("-e", "b=1M")])
def test_naming_an_encoding_ends_the_lossless_default(
    flag: tuple[str, str], clip: Path, seen: list[Settings]
) -> None:
    assert run(clip, *flag, "--progress", "none") == 0
    assert not seen[0].protection.lossless


def test_the_table_goes_to_stdout_with_epsilon_in_levels(
    clip: Path, seen: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clip, "--progress", "none") == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in ("6.375/255", "lossless", "0.0612", "50%", "18.0 dB"):
        assert word in out


def test_json_alone_goes_to_stdout_and_the_report_to_its_file(
    clip: Path, seen: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    report = clip.parent / "report.json"
    assert run(clip, "--json", "--report", report, "--progress", "none") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(report.read_text("utf-8"))
    assert printed["protection"]["rows"][0]["mean_error"] == 0.0612


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--method", "pdg"), 4, "pgd"),
        (("--mode", "share"), 4, "shared"),
        (("--epsilon", "0"), 4, "epsilon"),
        (("-o", "-"), 2, "several times"),
        (("-y", "-n"), 2, "contradict"),
        (("--progress", "loud"), 2, "progress"),
        (("--provenance", "require"), 8, "C2PA"),
    ],
)
def test_mistakes_end_with_their_codes(
    arguments: tuple[str, ...],
    code: int,
    word: str,
    clip: Path,
    seen: list[Settings],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(clip, *arguments) == code
    captured = capsys.readouterr()
    assert word in captured.err and captured.out == "" and seen == []


def test_what_exists_is_refused_skipped_or_replaced(clip: Path, seen: list[Settings]) -> None:
    target = clip.parent / "clip_protected.mp4"
    target.write_bytes(b"mine")
    assert run(clip) == 7
    assert run(clip, "-n") == 0
    assert target.read_bytes() == b"mine" and seen == []
    assert run(clip, "-y", "--progress", "none") == 0
    assert target.read_bytes() == b"film"


def test_a_missing_input_is_3(tmp_path: Path, seen: list[Settings]) -> None:
    assert run(tmp_path / "none.mp4") == 3
