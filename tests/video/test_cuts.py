"""Shot cuts, and what must not be taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from magdr_video.video.cuts import CutDetector
from tests.clips import ClipPlan, picture


def flags(frames: list[np.ndarray], bits: int = 8) -> list[int]:
    detector = CutDetector()
    return [i for i, frame in enumerate(frames) if detector.begins_shot(frame, bits)]


def shot(count: int, *, cut_at: int | None = None, bits: int = 8) -> list[np.ndarray]:
    name = "yuv420p" if bits == 8 else "yuv420p10le"
    return [picture(ClipPlan(cut_at=cut_at, pixel_format=name), i)[0] for i in range(count)]


def test_a_still_clip_has_no_cut_but_its_beginning() -> None:
    assert flags([shot(1)[0]] * 12) == [0]


@pytest.mark.parametrize("bits", [8, 10])
def test_a_hard_cut_is_found_at_its_frame(bits: int) -> None:
    assert flags(shot(16, cut_at=9, bits=bits), bits) == [0, 9]


def test_a_fade_is_no_cut() -> None:
    frame = shot(1)[0].astype(np.float32)
    assert flags([(frame * k / 24).astype(np.uint8) for k in range(24, 0, -1)]) == [0]


@pytest.mark.parametrize("floor", [0, 16])
def test_what_fades_in_after_black_is_a_new_shot(floor: int) -> None:
    one, other = (frame.astype(np.float32) for frame in shot(2, cut_at=1))
    light = [k / 16 for k in range(16, 0, -1)]
    out = [floor + one * share * 0.9 for share in light]
    into = [floor + other * share * 0.9 for share in light[::-1]]
    black = [np.full_like(one, floor)] * 5
    frames = [frame.astype(np.uint8) for frame in (*out, *black, *into)]
    begun = flags(frames)
    assert begun[0] == 0 and len(begun) == 2
    assert 16 + 5 <= begun[1] < 16 + 5 + 3


def test_a_flash_is_no_cut() -> None:
    frames = [frame // 2 for frame in shot(10)]
    frames[5] = frames[5] + 60
    assert flags(frames) == [0]


def test_steady_motion_is_no_cut() -> None:
    wide = np.tile(shot(1)[0], (1, 4))
    assert flags([np.ascontiguousarray(wide[:, 2 * k : 2 * k + 64]) for k in range(30)]) == [0]


def test_the_speakers_of_one_studio_are_told_apart(data_dir) -> None:  # type: ignore[no-untyped-def]
    from magdr_video.video.reader import ClipReader

    frames = []
    for name in ("grid-lbax4n", "grid-lrwp9a", "grid-bbaf2n"):
        path = data_dir / "clips" / f"{name}.mpg"
        if not path.exists():
            pytest.skip(f"{path} is not in this copy of the shared data")
        with ClipReader(path) as reader:
            frames += list(next(iter(reader)).planes[0])
    assert flags(frames) == [0, 16, 32]
