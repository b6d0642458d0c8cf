"""Memory goes back to the system, again and again while a clip is worked on; threads end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch

from magdr_video import device, runs
from magdr_video.delivery import translation
from magdr_video.settings import load_settings
from tests.clips import ClipPlan, make_clip
from tests.delivery.test_flat_memory import resident
from tests.faceless import without_networks
from tests.forked import finish

BLOCKS, SIZE = 2000, 60_000
"""120 MB in pieces that glibc takes from its heap, and keeps."""


@pytest.mark.skipif(device._trimmer() is None, reason="only glibc keeps what is free")
def test_holes_between_what_is_in_use_go_back_to_the_system() -> None:
    def work() -> None:
        held = [bytearray(SIZE) for _ in range(BLOCKS)]
        held[:-1] = []
        before = resident()
        device.give_back_memory()
        print(before - resident())

    code, told, words = finish(work)
    assert code == 0, words
    assert int(told) > BLOCKS * SIZE // 1024 // 2


def test_a_run_gives_memory_back_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=70))
    reached: list[int] = []
    done = [0]
    monkeypatch.setattr(translation, "give_back_memory", lambda: reached.append(done[0]))
    settings = load_settings(task="edit", overrides=["run.batch=4", "output.segment=0"])
    runs.translate_clip(
        tmp_path / "a.mp4",
        tmp_path / "b.mp4",
        settings,
        tick=lambda frames, _: done.__setitem__(0, frames),
    )
    # The stages are up to three batches ahead of what is encoded and counted.
    assert len(reached) == 4
    for frames, wanted in zip(reached, [16, 32, 48, 64], strict=True):
        assert wanted - 12 <= frames <= wanted


@pytest.mark.parametrize("threads", [1, 3])
def test_work_side_by_side_comes_back_in_order_and_leaves_no_thread(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_share", threads)
    before, seen = threading.active_count(), set()

    def work(item: int) -> int:
        seen.add(threading.get_ident())
        time.sleep(0.01 * (3 - item % 3))
        return item * item

    assert device.side_by_side(work, range(9)) == [item * item for item in range(9)]
    assert (len(seen) > 1) == (threads > 1)
    assert threading.active_count() == before
    assert device.side_by_side(work, []) == []


def test_an_error_of_work_side_by_side_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_share", 2)
    with pytest.raises(ZeroDivisionError):
        device.side_by_side(lambda item: 1 // item, [1, 2, 0, 3])


def test_products_are_coarse_inside_alone_whatever_happens_there() -> None:
    held = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in held]
    with pytest.raises(ZeroDivisionError), device.coarse_products():
        assert all(backend.allow_tf32 for backend in held)
        raise ZeroDivisionError
    assert [backend.allow_tf32 for backend in held] == before


def test_a_batch_is_as_asked_or_suits_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.batch_size(5, "cpu") == 5
    assert device.batch_size(0, "cpu") == device.CPU_BATCH
    monkeypatch.setattr(device, "choose_device", lambda name: torch.device("cuda", 0))
    assert device.batch_size(0, "auto") == device.DEVICE_BATCH
    assert device.batch_size(5, "auto") == 5


def test_beside_a_gpu_a_call_on_the_processor_takes_a_few_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[int] = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(device, "_share", 0)
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    device.set_threads()
    device.set_threads(2, torch.device("cpu"))
    device.set_threads(1, torch.device("cuda", 0))
    device.set_threads(8, torch.device("cuda", 0))
    assert given == [16, 8, device.THREADS_BESIDE_DEVICE, 2]


@pytest.mark.parametrize(
    ("rows", "most", "size"),
    [(1, 0, 8), (8, 0, 8), (9, 0, 16), (47, 0, 64), (64, 64, 64), (33, 48, 48), (3, 2, 3)],
)
def test_rows_come_in_few_sizes(rows: int, most: int, size: int) -> None:
    assert device.usual_size(rows, most) == size


def test_a_processor_is_given_the_rows_that_there_are() -> None:
    seen = []
    out = device.in_usual_sizes(lambda rows: seen.append(len(rows)) or rows * 2, torch.ones(3, 1))
    assert seen == [3] and torch.equal(out, torch.full((3, 1), 2.0))
