"""What the commands on clips show to people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magdr_video.progress import print_table, say
from magdr_video.settings import Settings, declared, flatten

if TYPE_CHECKING:
    from magdr_video.runs import Models


def show_settings(settings: Settings) -> None:
    """Every setting of the run with its meaning."""
    about = declared()
    rows = [
        [key, str(value), about[key].metadata["help"]] for key, value in flatten(settings).items()
    ]
    print_table("Settings of this run", ("key", "value", "meaning"), rows)


def show_plan(source: Path, target: Path, settings: Settings, models: Models) -> None:
    """What a run would do."""
    from magdr_video.device import describe
    from magdr_video.video.reader import probe

    clip = probe(source)
    rows = [
        ["input", str(source)],
        ["output", str(target)],
        ["picture", f"{clip.width}x{clip.height} {clip.pixel_format}"],
        ["task", settings.task],
        ["device", describe(models.device)],
        ["weights", ", ".join(models.weights)],
        *(["stream", f"{note.index} {note.kind} {note.codec}"] for note in clip.streams),
    ]
    print_table("Plan", ("what", "value"), rows)


def say_result(document: dict[str, Any]) -> None:
    """One line on a clip that is done, and its notes."""
    run = document["run"]
    share = f"{run['faces_perturbed']} of {run['faces']} faces perturbed"
    say(
        f"{document['output']}: {run['frames_out']} frames, {share}, "
        f"{run['faces_reconstructed']} reconstructed"
    )
    for note in run["notes"]:
        say(f"  note: {note}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"  # null in a report: not a finite number


def show_verdicts(document: dict[str, Any]) -> None:
    """The verdicts of a clip, and how many faces they condemn."""
    rows = [
        [
            str(v["track"]),
            str(v["frame"]),
            "perturbed" if v["perturbed"] else "clean",
            *(_number(v[key]) for key in ("s_dist", "s_cons", "s_mean", "s_final")),
            ", ".join(v["regions"]),
        ]
        for v in document["run"]["verdicts"]
    ]
    head = ("track", "frame", "verdict", "S_dist", "S_cons", "mean shift", "S_final", "regions")
    print_table(document["input"], head, rows)
    run = document["run"]
    print(f"{run['faces_perturbed']} of {run['faces']} face-frames perturbed")
    for note in run["notes"]:
        say(f"  note: {note}")
