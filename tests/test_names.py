"""Names that are hard on shells, lists, terminals and text, through every command on clips."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from magdr_video.command import main
from magdr_video.errors import printable
from tests.clips import ClipPlan, make_clip
from tests.faceless import without_networks

NAMES = [
    "two words.mp4",
    'it\'s "quoted" `here` $HOME.mp4',
    "new\nline\ttab.mp4",
    "\x1b[31mred.mp4",
    "🎬 ünï.mp4",
    "-n.mp4",
    "@list.mp4",
    "[a]*?.mp4",
    "a:b%03d\\c.mp4",
    "[bold]x[bold].mp4",
    os.fsdecode(b"\xff\xfe.mp4"),
]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The program in an empty current folder, without networks."""
    without_networks(monkeypatch)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def start(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        out.encode("utf-8")  # a terminal takes nothing else
        return int(ended.value.code or 0), out, err

    return start


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    make_clip(path, ClipPlan(frames=2))
    return path.read_bytes()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_each_name_goes_through_each_command(name: str, run: Run, film: bytes) -> None:
    Path(name).write_bytes(film)
    code, out, _ = run("info", "--json", "--", name)
    assert code == 0 and json.loads(out)["codec"] == "h264"
    assert run("info", "--", name)[0] == 0
    assert run("detect", "--task", "edit", "--report", f"{name}.json", "--", name)[0] == 0
    assert json.loads(Path(f"{name}.json").read_text("utf-8"))["input"] == name
    assert run("defend", "--dry-run", "--task", "edit", "--", name)[0] == 0
    code, out, err = run("defend", "--json", "--", name)
    assert code == 0, err
    stem = Path(name).stem
    target = f"{stem}_defended.mp4"
    assert json.loads(out)["output"] == target
    assert {path.name for path in Path().iterdir()} == {
        name, f"{name}.json", target, f"{target}.magdr.json",
    }  # fmt: skip
    code, _, err = run("defend", "--", name)
    assert code == 7
    assert len(err.splitlines()) == 2, "an error and its hint are a line each"
    assert "\x1b" not in err


def test_all_of_them_make_one_batch_and_a_rerun_has_nothing_left(run: Run, film: bytes) -> None:
    Path("films").mkdir()
    for name in NAMES:
        (Path("films") / name).write_bytes(film)
    words = ("defend", "films", "-o", "made", "--archive", "done", "--progress", "json", "--json")
    code, out, err = run(*words)
    assert code == 0, err
    made = json.loads(out)
    assert [one["input"] for one in made["runs"]] == [f"films/{n}" for n in sorted(NAMES)]
    assert all(json.loads(line) for line in err.splitlines())
    outputs = {path.name for path in Path("made").iterdir() if path.suffix == ".mp4"}
    assert outputs == {f"{Path(name).stem}_defended.mp4" for name in NAMES}
    code, out, _ = run(*words)
    assert code == 0
    assert len(json.loads(out)["skipped"]) == len(NAMES)


def test_a_list_between_nuls_names_them_all(run: Run, film: bytes) -> None:
    for name in NAMES:
        Path(name).write_bytes(film)
    Path("list").write_bytes(b"\0".join(os.fsencode(name) for name in NAMES))
    code, out, err = run("detect", "@list", "--json", "-q")
    assert code == 0, err
    assert [one["input"] for one in json.loads(out)["runs"]] == NAMES


def test_what_would_break_or_colour_a_line_is_escaped() -> None:
    assert printable("a\nb\t\x1b[0m\u2028\udcff") == r"a\nb\t\x1b[0m\u2028\udcff"
    assert printable("ünï 🎬 👨‍👩‍👧 [x] \\n") == "ünï 🎬 👨‍👩‍👧 [x] \\n"
