"""What people are told of a clip that is done."""

from __future__ import annotations

from typing import Any

from magdr_video.command.tables import result_lines
from magdr_video.reconstruction.choice import Choice
from magdr_video.transforms import parse_chain
from magdr_video.types import Recipe

CHAIN = parse_chain("guided(eps=0.003)")
REGIONS = ("skin", "hair")


def document(*choices: dict[str, Any], unresolved: int = 0) -> dict[str, Any]:
    run = {
        "frames_out": 75,
        "faces": 75,
        "faces_perturbed": 70,
        "faces_reconstructed": 60,
        "faces_unresolved": unresolved,
        "choices": [{"track": 0, "frame": 5, "window": 3} | held for held in choices],
        "notes": ["colour was guessed"],
        "frames_passed_through": 0,
        "failures": [],
    }
    return {"output": "out.mp4", "run": run}


def choice(rounds: int = 1, *, after: float = 2.0, resolved: bool = True) -> dict[str, Any]:
    one = tuple(Recipe(region, CHAIN) for region in REGIONS)
    return Choice((one,) * rounds, True, 5.0, after, resolved).about()


def test_a_repair_is_told_with_its_chain_and_scores() -> None:
    done, repair, note = result_lines(document(choice()))
    assert done == "out.mp4: 75 frames, 70 of 75 faces perturbed, 60 reconstructed"
    assert repair == (
        "  repair of track 0 from frame 5: average of 3 frames, "
        "all regions: guided(eps=0.003) (S_final 5.00 to 2.00)"
    )
    assert note == "  note: colour was guessed"


def test_a_run_that_inspected_nothing_does_not_call_its_faces_unperturbed() -> None:
    held = document()
    del held["run"]["faces_perturbed"]
    assert result_lines(held)[0] == "out.mp4: 75 frames, 75 faces, not inspected"


def test_rounds_and_what_stays_unresolved_are_told() -> None:
    lines = result_lines(document(choice(2, resolved=False), unresolved=60))
    assert lines[0].endswith("60 reconstructed in up to 2 rounds, 60 of them unresolved")
    assert lines[1].count("guided") == 2 and lines[1].endswith("to 2.00, unresolved)")


def test_a_repair_that_is_not_used_says_so_and_no_more_than_three_are_told() -> None:
    lines = result_lines(document(*(choice(after=6.0) for _ in range(5))))
    repairs = [line for line in lines if "repair of" in line]
    assert len(repairs) == 3 and all(line.endswith("(not used)") for line in repairs)


def test_frames_that_a_failed_stage_left_alone_are_never_passed_over_in_silence() -> None:
    held = document()
    failure = {"first_frame": 16, "frames": 16, "pts": 57600, "message": "ValueError: no"}
    held["run"] |= {"frames_passed_through": 16, "failures": [failure]}
    assert result_lines(held)[1] == (
        "  16 frames are as they were, since a stage failed; first at frame 16 (pts 57600): "
        "ValueError: no"
    )
