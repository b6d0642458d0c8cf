"""The checks warn where an attack is weaker than it should be, and only there."""

from __future__ import annotations

import pytest

from magdr_video.benchmark.sanity import EPSILONS, WARNING, Strengths, checks
from magdr_video.benchmark.tables import sanity_table

SOUND_GAIN = {
    "single step": 0.02,
    "iterative": 0.08,
    "white box": 0.10,
    "twice the steps": 0.12,
    "gradient free": 0.01,
    "transfer": 0.02,
    "random": 0.005,
}
SHARES = dict(zip((f"epsilon {e:g}" for e in EPSILONS), (0.0, 0.6, 0.9, 1.0), strict=True))


def failed(gain: dict[str, float], shares: dict[str, float] = SHARES) -> list[str]:
    return [c["check"] for c in checks("edit", Strengths(gain, shares)) if not c["passed"]]


def test_a_sound_attack_raises_no_warning() -> None:
    assert failed(SOUND_GAIN) == []


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("single step", 0.2, "iterative beats single step"),
        ("gradient free", 0.3, "gradient attack beats gradient-free"),
        ("transfer", 0.3, "white box beats transfer"),
        ("transfer", 0.001, "transfer beats random"),
        ("twice the steps", 0.4, "twice the steps bring little (at most 1.5 times)"),
    ],
)
def test_each_wrong_order_is_noticed(name: str, value: float, check: str) -> None:
    assert failed(SOUND_GAIN | {name: value}) == [check]


def test_random_noise_above_the_attack_is_noticed() -> None:
    assert "white box beats random" in failed(SOUND_GAIN | {"random": 0.5})


@pytest.mark.parametrize("last", [0.5, 0.9])
def test_success_must_grow_to_all_faces(last: float) -> None:
    shares = SHARES | {f"epsilon {EPSILONS[-1]:g}": last}
    assert failed(SOUND_GAIN, shares) == ["success grows with epsilon to 100 %"]


def test_a_failed_check_is_a_row_that_says_what_is_suspected() -> None:
    table = sanity_table(checks("edit", Strengths(SOUND_GAIN | {"random": 0.5}, SHARES)))
    verdicts = {row[1]: row[3] for row in table.rows}
    assert verdicts["white box beats random"] == WARNING
    assert verdicts["iterative beats single step"] == "ok"
