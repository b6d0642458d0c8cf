"""Damaged files through `info` and `defend`: an orderly end every time, and nothing left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from magdr_video import runs
from magdr_video.command import main
from tests.faceless import without_networks
from tests.fuzz.mutations import KINDS, PLANS, damage, make_films

ORDERLY = {
    "info": {0, 3},
    # 4: damage can make a clip HDR, which is refused.
    "defend": {0, 3, 4},
}
SECONDS = 20
"""Bound of work for one command on one file of a few kilobytes, which takes about a tenth; of the
process's own time, since a busy machine proves nothing. One that waits for ever meets the timeout
of the test."""


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, looping and writing are real; no network is loaded and no face found."""
    without_networks(monkeypatch)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_films(tmp_path_factory.mktemp("films"))


@pytest.fixture
def ends_in_order(
    films: dict[str, bytes],
    without_models: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[int], int]:
    """Runs both commands on one case; the exit code of `defend`."""

    def run(number: int) -> int:
        case = damage(films, number)
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / case.name
        path.write_bytes(case.data)
        about = f"case {number}: {case.name}, {case.kind}"
        code = -1
        for command in ("info", "defend"):
            before, began = set(folder.iterdir()), time.process_time()
            with pytest.raises(SystemExit) as ended:
                main([command, str(path), *(["-q"] if command == "defend" else [])])
            spent = time.process_time() - began
            code = ended.value.code or 0
            out, err = capsys.readouterr()
            assert code in ORDERLY[command], f"{about}: {command} ends with {code}: {err}"
            assert "Traceback" not in err, about
            assert spent < SECONDS, f"{about}: {command} took {spent:.1f} s"
            if code:
                assert err.startswith("magdr-video: "), about
                assert out == "", about
                assert set(folder.iterdir()) == before, f"{about}: leftovers"
        if code == 0:
            names = {p.name for p in folder.iterdir()} - {case.name}
            target = runs.default_target(path).name
            assert names == {target, f"{target}.magdr.json"}, about
        return code

    return run


CASES = len(PLANS) * len(KINDS)
"""One case of every kind of damage to every film."""


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_damaged_files_end_in_order(first: int, ends_in_order: Callable[[int], int]) -> None:
    # A step that shares no factor with the number of cases meets every film and kind.
    for number in range(first, first + 15):
        ends_in_order(number * 37 % CASES)


@pytest.mark.slow
@pytest.mark.parametrize("round", range(6))
def test_many_more_damaged_files_end_in_order(
    round: int, ends_in_order: Callable[[int], int]
) -> None:
    codes = [ends_in_order(number) for number in range(CASES * round, CASES * (round + 1))]
    # Damage that never stops a clip, or always does, would prove little.
    assert 0.2 < sum(code == 0 for code in codes) / len(codes) < 0.9


def test_every_film_is_whole_before_it_is_damaged(
    films: dict[str, bytes], without_models: None, tmp_path: Path
) -> None:
    for name, data in films.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SystemExit) as ended:
            main(["defend", str(tmp_path / name), "-q"])
        assert not ended.value.code, name
