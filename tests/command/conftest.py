"""A program to run in this process, a clip, and a stand-in for the networks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from magdr_video import runs as runs_module
from magdr_video.command import main
from magdr_video.errors import RuntimeFailure
from tests.clips import ClipPlan, make_clip
from tests.command.outcome import Outcome, Run, document


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
