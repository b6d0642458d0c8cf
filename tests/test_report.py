"""The report is plain JSON that follows the schema shipped in the package."""

from __future__ import annotations

import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from magdr_video import __version__
from magdr_video.errors import InputError
from magdr_video.reconstruction.choice import Choice
from magdr_video.report import SCHEMA, report_document
from magdr_video.settings import TASKS, flatten, load_settings
from magdr_video.transforms import parse_chain
from magdr_video.types import Recipe, RunReport, StreamNote

SUM = "0123456789abcdef" * 4
ROUND = (Recipe("skin"), Recipe("hair", parse_chain("jpeg(quality=75)")))
CHOICE = Choice((ROUND,), averaged=True, before=5.0, after=3.0, resolved=False)


def schema() -> dict[str, Any]:
    text = resources.files("magdr_video").joinpath("report.schema.json").read_text("utf-8")
    held: dict[str, Any] = json.loads(text)
    return held


def validate(document: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), schema())


def full_report() -> RunReport:
    return RunReport(
        frames_in=12,
        frames_out=12,
        faces=12,
        faces_perturbed=6,
        faces_inspected=2,
        tracks=1,
        generator_passes=20,
        seconds={"translate": 1.23456789, "paste": 0.0},
        verdicts=[
            {
                "track": 0,
                "frame": 0,
                "perturbed": True,
                "s_dist": 0.123456,
                "s_cons": math.nan,
                "s_mean": 0.5,
                "s_final": math.inf,
                "regions": ["skin"],
            }
        ],
        choices=[{"track": 0, "frame": 0} | CHOICE.about()],
        streams=[StreamNote(0, "video", "h264", True), StreamNote(1, "data", "x", False, "no")],
        failures=[{"first_frame": 3, "frames": 1, "pts": 300, "message": "no"}],
        notes=["colour was guessed"],
    )


def document(task: str = "edit", **changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "command": "defend",
        "source": Path("in.mp4"),
        "output": Path("out.mp4"),
        "settings": load_settings(task=task),
        "report": full_report(),
        "device": "cpu (1 threads)",
        "weights": {"stargan-synthetic": SUM},
        "libraries": {"torch": "2.0"},
        "hashes": {"input": SUM, "output": SUM},
    }
    return report_document(**(asked | changes))


def test_the_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("task", TASKS)
def test_a_full_report_follows_the_schema(task: str) -> None:
    made = document(task)
    validate(made)
    assert made["task"] == task
    assert made["schema"] == SCHEMA
    assert made["version"] == __version__


def test_an_empty_run_follows_the_schema() -> None:
    validate(document(command="detect", output=None, report=RunReport()))


def test_every_counter_of_a_run_is_in_the_schema() -> None:
    # The schema forbids others, so that a counter added to RunReport must be described there.
    described = schema()["properties"]["run"]["properties"]
    assert set(document()["run"]) == set(described)


def test_a_run_without_a_verdict_does_not_say_that_no_face_is_perturbed() -> None:
    settings = load_settings(task="edit", overrides=["detection.enabled=false"])
    made = document(settings=settings, report=RunReport(faces=12))
    validate(made)
    assert "faces_perturbed" not in made["run"]
    assert document(report=RunReport(faces=12))["run"]["faces_perturbed"] == 0


def test_every_setting_is_in_the_report() -> None:
    assert document()["settings"] == flatten(load_settings(task="edit"))


def test_the_opt_out_of_marks_stays_in_the_record() -> None:
    settings = load_settings(task="edit", overrides=["output.provenance=none"])
    assert document(settings=settings)["provenance"] == "none"


def test_numbers_are_rounded_and_what_is_no_number_becomes_null() -> None:
    run = document()["run"]
    assert run["seconds"]["translate"] == 1.2346
    assert run["verdicts"][0]["s_cons"] is None
    assert run["verdicts"][0]["s_final"] is None
    assert run["verdicts"][0]["perturbed"] is True


def test_streams_say_why_they_were_dropped() -> None:
    kept, dropped = document()["run"]["streams"]
    assert kept["kept"] is True
    assert (dropped["kept"], dropped["reason"]) == (False, "no")


def test_an_error_document_carries_code_message_and_hint() -> None:
    error = InputError("in.mp4 is not a video", hint="give a film")
    made = document(output=None, settings=None, report=None, error=error, weights=None, hashes=None)
    validate(made)
    assert made["exit_code"] == 3
    assert made["error"] == {"message": "in.mp4 is not a video", "hint": "give a film"}
    assert made["run"] is made["task"] is None


def test_our_own_mistakes_count_as_1() -> None:
    made = document(report=None, error=ZeroDivisionError("by zero"))
    validate(made)
    assert made["exit_code"] == 1
    assert made["error"] == {"message": "by zero", "hint": ""}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"task": "swap"},
        {"extra": 1},
        {"sha256": {"input": "abc"}},
        {"weights": [{"name": "x"}]},
        {"exit_code": "0"},
    ],
)
def test_the_schema_refuses_what_is_wrong(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(document() | change)


def test_the_schema_refuses_a_report_without_its_run() -> None:
    made = document()
    del made["run"]
    with pytest.raises(jsonschema.ValidationError):
        validate(made)
