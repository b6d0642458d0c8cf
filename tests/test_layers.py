"""Imports go one way, and each heavy library has one home; read from the source, not by running."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "magdr_video"

LEVELS = (
    ("types", "errors"),
    ("settings", "device", "progress", "stopping", "torch_pair"),
    ("surroundings",),
    ("video", "models", "criteria"),
    # The bank loads the learned purifier.
    ("transforms",),
    # `faces` reads frames (`video`) and `report` flattens settings: both are below.
    ("faces", "translation", "detection", "reconstruction", "provenance", "report", "score_plot"),
    ("attacks", "pipeline"),
    ("stages", "driving", "loading", "checkpoint"),
    ("staging",),
    ("delivery",),
    ("runs", "survival", "encoding"),
    ("protection", "baselines", "comparison"),
    ("training", "batch", "demo"),
    # It measures what the trainings made, and the demo's clip.
    ("benchmark",),
    ("command",),
    ("__main__",),
)
"""Rooms and single modules, lowest first. Each may import only what lies on a lower level."""

HOMES = {
    "av": ("video/",),
    "decord": ("video/sampler.py",),
    "ffmpeg": ("video/container.py",),
    "imageio_ffmpeg": ("video/container.py",),
    "facenet_pytorch": ("faces/detector.py",),
    "rich": ("progress.py",),
    "typer": ("command/",),
}

LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}


def sources(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def room_of(path: Path, package: Path) -> str:
    """'video' for video/reader.py, 'errors' for errors.py, '__init__' for the package itself."""
    return path.relative_to(package).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Dotted names of all imports of a file, those inside functions and type checks included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path, package: Path) -> set[str]:
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("magdr_video.")}
    # `from magdr_video import __version__` names a value of the package, not a room.
    return rooms - {"__version__", room_of(path, package)}


def wrong_directions(package: Path) -> list[str]:
    wrong = []
    for path in sources(package):
        room = room_of(path, package)
        if room == "__init__":
            wrong += [f"__init__ imports {name}" for name in rooms_imported(path, package)]
            continue
        for other in sorted(rooms_imported(path, package)):
            if LEVEL_OF[other] >= LEVEL_OF[room]:
                wrong.append(f"{path.relative_to(package)} imports {other}")
    return wrong


def wrong_homes(package: Path) -> list[str]:
    wrong = []
    for path in sources(package):
        place = path.relative_to(package).as_posix()
        for library in sorted({name.split(".")[0] for name in imported(path)} & HOMES.keys()):
            if not place.startswith(HOMES[library]):
                wrong.append(f"{place} imports {library}")
    return wrong


def without_level(package: Path) -> set[str]:
    return {room_of(path, package) for path in sources(package)} - LEVEL_OF.keys() - {"__init__"}


def test_every_module_has_a_level() -> None:
    assert without_level(PACKAGE) == set(), "give the new module its level in LEVELS"


def test_imports_go_from_higher_levels_to_lower_ones_only() -> None:
    assert wrong_directions(PACKAGE) == []


def test_each_library_is_imported_at_its_one_home() -> None:
    assert wrong_homes(PACKAGE) == []


def test_each_home_is_really_used() -> None:
    used = {name.split(".")[0] for path in sources(PACKAGE) for name in imported(path)}
    assert HOMES.keys() <= used


def test_imports_are_absolute() -> None:
    relative = [str(p) for p in sources(PACKAGE) if any(n.startswith(".") for n in imported(p))]
    assert relative == []


def test_nothing_imports_cli_or_the_tests() -> None:
    for path in sources(PACKAGE):
        assert {name.split(".")[0] for name in imported(path)}.isdisjoint({"cli", "tests"}), path


@pytest.mark.parametrize(
    ("place", "code", "complaint"),
    [
        ("video/reader.py", "from magdr_video.faces.track import Track", "imports faces"),
        ("video/reader.py", "import magdr_video.models.zoo", "imports models"),
        ("errors.py", "def late():\n    from magdr_video import settings", "imports settings"),
        ("runs.py", "from magdr_video.runs import x\nimport magdr_video.demo", "imports demo"),
    ],
)
def test_a_wrong_import_is_noticed(tmp_path: Path, place: str, code: str, complaint: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)
    found = wrong_directions(tmp_path)
    assert len(found) == 1
    assert complaint in found[0]


def test_a_library_away_from_home_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "runs.py").write_text("def f():\n    import av.codec\n")
    assert wrong_homes(tmp_path) == ["runs.py imports av"]


def test_a_new_module_without_a_level_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "novelty.py").write_text("")
    assert without_level(tmp_path) == {"novelty"}
