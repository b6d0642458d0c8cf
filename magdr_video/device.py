"""The device of a run, its threads and its seeds."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from magdr_video.errors import DeviceError, SettingsError

if TYPE_CHECKING:
    import torch


CPU_BATCH, DEVICE_BATCH = 16, 48
"""Frames a batch, where none were asked for."""


_share = 0
"""Cores of this process, once `set_threads` was called."""

LEAST_ROWS = 8
"""Rows that a GPU is given at least: fewer are no faster."""

ItemT = TypeVar("ItemT")
DoneT = TypeVar("DoneT")


THREADS_BESIDE_DEVICE = 4
"""Threads of each call on the processor, at most, where the networks lie on a GPU."""


def choose_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that works.

    `auto` takes the first CUDA device when there is one. An explicit CUDA device is never
    replaced by the CPU.

    Raises:
        SettingsError: the name is none of the allowed ones.
        DeviceError: the CUDA device asked for is not there.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or (number and not number.isdecimal()):
        raise SettingsError(
            f"--device '{name}' is not a device", hint="allowed: auto, cpu, cuda, cuda:N"
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(number or 0)
    if index >= count:
        raise DeviceError(
            f"--device {name}: this machine shows torch {count} CUDA devices",
            hint="use --device auto, or install a CUDA build of torch and its driver",
        )
    _compute_in_full()
    return torch.device("cuda", index)


def _compute_in_full() -> None:
    """Float32 as a processor computes it, and the same figures from the same seed.

    Convolutions in TF32 keep ten bits of each factor: the tables' z scores would move by more than
    their thresholds leave room for.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


@contextmanager
def coarse_products() -> Iterator[None]:
    """Inside, a GPU convolves in TF32: ten bits of each factor, several times as fast.

    For what only looks for a way, such as an attack's or a training's slopes; what is measured, and
    what a table judges, is computed in full. Nothing changes on a processor.
    """
    import torch

    backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    held = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = True
        yield
    finally:
        for backend, allowed in zip(backends, held, strict=True):
            backend.allow_tf32 = allowed


def in_usual_sizes(call: Callable[..., Any], *parts: torch.Tensor, most: int = 0) -> Any:
    """`call` with the rows of all parts filled up to a power of two, on a CUDA device alone.

    cuDNN plans every convolution anew for each size that a thread has not met, for 10 to 20 ms. A
    run on 96 frames met 394 sizes (9 of faces at once in the generator alone), which took more time
    than all their work. The rows that fill are copies of the last; their results are dropped.

    Args:
        call: of tensors (F, ...), whose results, one or several, have F rows and do not depend on
            the rows beside them.
        parts: tensors of equally many rows.
        most: rows that there may be at once; 0 knows no bound.
    """
    rows = len(parts[0])
    size = usual_size(rows, most)
    if parts[0].device.type != "cuda" or rows in (0, size):
        return call(*parts)
    out = call(*(_filled(part, size) for part in parts))
    return out[:rows] if hasattr(out, "device") else type(out)(held[:rows] for held in out)


def usual_size(rows: int, most: int = 0) -> int:
    """The next power of two, from `LEAST_ROWS` on; `most` is usual as well."""
    size = max(LEAST_ROWS, 1 << (rows - 1).bit_length())
    return max(rows, min(size, most)) if most else size


def _filled(part: torch.Tensor, size: int) -> torch.Tensor:
    import torch

    return torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])


def batch_size(asked: int, device: str) -> int:
    """Frames a batch: as asked, or what suits the device of that name.

    A batch costs a GPU's host some dozens of milliseconds whatever it holds.

    Raises:
        SettingsError, DeviceError: as `choose_device`.
    """
    if asked:
        return asked
    return DEVICE_BATCH if choose_device(device).type == "cuda" else CPU_BATCH


def set_threads(workers: int = 1, device: torch.device | None = None) -> None:
    """Give each of `workers` processes its share of the cores, once, at start.

    Args:
        device: where the networks of a run lie. Beside a GPU only the small nets that find faces
            are left to the processor, and threads that wait for more of them take the cores from
            decoder and encoder.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        global _share
        share = _share = max(1, (os.cpu_count() or 1) // workers)
        is_beside = device is not None and device.type == "cuda"
        torch.set_num_threads(min(share, THREADS_BESIDE_DEVICE) if is_beside else share)


def side_by_side(work: Callable[[ItemT], DoneT], items: Iterable[ItemT]) -> list[DoneT]:
    """`work` of every item, in order, on the cores that this process has (`set_threads`).

    For pictures that a library codes or warps on the processor, outside of the interpreter's lock,
    while a device waits for them. An exception reaches the caller; no thread outlives the call.
    """
    import torch

    held = list(items)
    threads = min(_share or torch.get_num_threads(), len(held))
    if threads < 2:
        return [work(item) for item in held]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, held))


def describe(device: torch.device) -> str:
    """The device in words, for reports: 'cuda:0 (NVIDIA H200)' or 'cpu (2 threads)'."""
    import torch

    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"


def give_back_memory() -> None:
    """Hand free memory back to the system, where the C library can (glibc).

    Batches and activations of many sizes leave holes between what is still in use; glibc keeps
    them, and the process grows slowly although nothing is held: by a fifth from 10 to 60 s of film.
    """
    if trim := _trimmer():
        trim(0)


@cache
def _trimmer() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
