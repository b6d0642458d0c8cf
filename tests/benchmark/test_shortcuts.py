"""What a shortcut costs, on films whose difference is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from magdr_video.benchmark.shortcuts import ON_A_DEVICE, SHORTCUTS, Film, compare
from magdr_video.benchmark.speed_tables import speed_tables
from magdr_video.settings import Settings, build, flatten


def films() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    source = np.full((5, 8, 8), 100, np.float32)
    steady, restless = source.copy(), source.copy()
    steady[:, :4] += 10
    restless[:, :4] += 10
    restless[1::2, :4] += 2
    return source, steady, restless


def test_only_changed_pixels_count() -> None:
    held = compare(*films())
    # Every second of five frames is off by two levels, in the half that was changed at all.
    assert held["psnr"] == pytest.approx(10 * math.log10(255**2 / (4 * 2 / 5)))


def test_flicker_is_that_of_what_was_added() -> None:
    source, steady, restless = films()
    held = compare(source, steady, restless)
    assert held["flicker"] == 0
    assert held["flicker_without"] == pytest.approx(4)
    drift = np.arange(5, dtype=np.float32)[:, None, None]
    moved = compare(source + drift**2, steady + drift**2, restless + drift**2)
    assert moved["flicker_without"] == pytest.approx(4)


def test_films_that_are_alike_or_untouched_have_no_error() -> None:
    source, steady, _ = films()
    assert compare(source, steady, steady)["psnr"] == math.inf
    assert compare(source, source, source)["psnr"] == math.inf


def test_every_shortcut_names_settings_that_differ_from_the_usual_ones() -> None:
    usual = flatten(Settings())
    for changed in [*SHORTCUTS.values(), *ON_A_DEVICE.values()]:
        assert flatten(build(usual | changed)) != usual
        assert all(usual[key] != value for key, value in changed.items())
    names = " ".join(SHORTCUTS)
    assert f"every {usual['faces.period']} frames" in names
    assert f"every {usual['detection.parse_period']} frames" in names


def test_the_table_of_shortcuts_follows_the_stages() -> None:
    row = {
        "psnr": 40.0,
        "psnr_o": 30.0,
        "psnr_o_without": 31.0,
        "flicker": 1.0,
        "flicker_without": 1.5,
    }
    clip = {
        "clip": "a.mp4",
        "frames": 1,
        "faces": 1,
        "ratios": {},
        "passes": {},
        "landmarks": {"mean": 0.01, "p95": 0.02},
        "memory": {"slope_mib_per_1000_frames": None, "peak_mib": 1.0},
        "runs": {
            "defended": {
                "first_frame_seconds": 1.0,
                "first_frame_core_seconds": 1.0,
                "bytes_copied_per_frame": 1.0,
            }
        },
        "stages": {},
        "faces_per_second": {},
        "shortcuts": {"nothing held": row},
    }
    clip["runs"]["defended"] |= {  # type: ignore[index]
        "frames_per_second": 1.0,
        "core_ms_per_frame": 1.0,
        "wall_ms_per_frame": 1.0,
    }
    tables = speed_tables({"clips": [clip], "task": "edit", "machine": {"cpu": "Test CPU"}})
    assert tables[-1].rows == (("nothing held", "30.00", "31.00", "40.00", "1.00", "1.50"),)


def test_psnr_o_counts_the_pixels_that_should_change() -> None:
    source, wanted, came = films()
    came[:, 6:] += 50  # where nothing was to change
    # Every second of five frames is off by two levels.
    expected = 10 * math.log10(255**2 / (4 * 2 / 5))
    assert Film(source, wanted).psnr(came) == pytest.approx(expected)
    assert Film(source, wanted).psnr(wanted) == math.inf
    assert Film(source, source).psnr(came) == math.inf
