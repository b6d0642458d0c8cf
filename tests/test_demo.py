"""The demo around its story: what it reads, replaces and marks. The networks are left out."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from magdr_video import demo
from magdr_video.errors import InputError, OutputError, SettingsError
from magdr_video.provenance import read_marks
from magdr_video.video.reader import probe
from tests.clips import ClipPlan, make_clip


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies instead of protections and translations."""

    def copied(source: Path, target: Path, *rest: Any, **more: Any) -> dict[str, Any]:
        shutil.copy(source, target)
        return {"run": {"faces": 0, "faces_perturbed": 0}}

    monkeypatch.setattr(demo, "load_models", lambda settings: SimpleNamespace())
    monkeypatch.setattr(demo, "protect_clip", copied)
    monkeypatch.setattr(demo, "translate_clip", copied)


def silent(text: str) -> None:
    pass


@pytest.mark.usefixtures("story")
def test_the_film_of_all_four_carries_the_marks_of_generated_output(tmp_path: Path) -> None:
    make_clip(tmp_path / "mine.mp4", ClipPlan(frames=3))
    made = demo.run_demo(tmp_path / "out", clip=tmp_path / "mine.mp4", say=silent)
    assert [path.name for path in made] == ["mine.mp4", *demo.NAMES[1:]]
    assert "made by magdr-video" in " ".join(read_marks(probe(made[-1]).metadata))


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("name", demo.NAMES[1:])
def test_a_clip_that_the_demo_would_write_over_is_refused_and_stays(
    tmp_path: Path, name: str
) -> None:
    clip = tmp_path / name
    make_clip(clip, ClipPlan(frames=3))
    before = clip.read_bytes()
    with pytest.raises(OutputError, match="is the input"):
        demo.run_demo(tmp_path, clip=clip, overwrite=True, say=silent)
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"clip": Path("nowhere.mp4")}, InputError),
        ({"task": "edti"}, SettingsError),
    ],
)
def test_an_earlier_demo_stays_where_the_next_one_cannot_begin(
    tmp_path: Path, more: dict[str, Any], error: type[Exception]
) -> None:
    earlier = tmp_path / "defended.mp4"
    earlier.write_bytes(b"a film")
    with pytest.raises(error):
        demo.run_demo(tmp_path, overwrite=True, say=silent, **more)
    assert earlier.read_bytes() == b"a film"


def test_a_folder_in_the_place_of_a_film_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "defended.mp4").mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        demo.run_demo(tmp_path, overwrite=True, say=silent)
    assert (tmp_path / "defended.mp4").is_dir()
