"""What the commands on clips show to people."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magdr_video.batch.jobs import Document, Job, Watch, Writing
from magdr_video.errors import OutputError
from magdr_video.progress import print_table, say
from magdr_video.settings import Resolved, Settings, declared, flatten
from magdr_video.video.pipes import is_standard

if TYPE_CHECKING:
    from magdr_video.video.clip_info import ClipInfo


def show_settings(resolved: Resolved) -> None:
    """Every setting of the run with its origin and its meaning."""
    about, origins = declared(), resolved.origins
    rows = [
        [key, str(value), origins[key], about[key].metadata["help"]]
        for key, value in flatten(resolved.settings).items()
    ]
    print_table("Settings of this run", ("key", "value", "from", "meaning"), rows)


@dataclass
class DryRun:
    """Shows what would be done with a clip, and ends as the work itself would, as far as known."""

    work: Writing

    @property
    def command(self) -> str:
        """Of the work."""
        return self.work.command

    @property
    def settings(self) -> Settings:
        """Those of the work."""
        return self.work.settings

    def __call__(self, job: Job, watch: Watch) -> Document:
        """Print the plan for one clip; writes nothing."""
        from magdr_video.device import describe
        from magdr_video.report import report_document
        from magdr_video.video.reader import probe

        self.work.check(job)
        models = self.work.models()
        rows = [
            ["input", str(job.source)],
            ["output", str(job.target)],
            ["task", self.settings.task],
            ["device", describe(models.device)],
            ["weights", ", ".join(models.weights)],
        ]
        if not is_standard(job.source):  # which can be read only once
            clip = probe(job.source)
            rows.append(["picture", f"{clip.width}x{clip.height} {clip.pixel_format}"])
            rows += _encoding_rows(self.settings, clip, job.target)
        print_table("Plan", ("what", "value"), rows)
        return report_document(
            command=self.command,
            source=job.source,
            output=job.target,
            settings=self.settings,
            report=None,
        )


def _encoding_rows(settings: Settings, clip: ClipInfo, target: Path | None) -> list[list[str]]:
    """Encoder and streams of the output; raises what the run itself would raise about them."""
    from magdr_video.video.carried import planned_streams
    from magdr_video.video.encoder import EncoderChoice, rehearse
    from magdr_video.video.target import default_encoder, muxer_of

    if target is None:
        return []
    folder = target.parent
    if not is_standard(target) and folder.is_dir() and not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write into {folder}", hint="choose another folder")
    held = settings.output
    choice = EncoderChoice(
        vcodec=held.vcodec or None,
        crf=held.crf,
        preset=held.preset or None,
        pix_fmt=held.pix_fmt or None,
    )
    muxer = held.format if is_standard(target) else muxer_of(target)
    default = default_encoder(muxer, clip.bits)
    notes = rehearse(clip, choice, muxer, default)
    rows = [["encoder", "; ".join([choice.vcodec or default, *notes])]]
    for note in planned_streams(clip.path, muxer):
        fate = note.reason if note.kept else f"dropped: {note.reason}"
        rows.append(["stream", f"{note.index} {note.kind} {note.codec}, {fate}"])
    return rows


SHOWN_CHOICES = 3
"""Repairs told of in a result; the report has them all."""


def result_lines(document: dict[str, Any]) -> list[str]:
    """One line on a clip that is done, its first repairs, and its notes."""
    run = document["run"]
    done = f"{document['output']}: {run['frames_out']} frames, {_judged(run)}"
    repairs = [_repair(choice) for choice in run["choices"][:SHOWN_CHOICES]]
    return [done, *_failures(run), *repairs, *(f"  note: {note}" for note in run["notes"])]


def _judged(run: dict[str, Any]) -> str:
    """What the defence came to; a run without one (`--undefended`) knows of no perturbed faces."""
    if "faces_perturbed" not in run:
        return f"{run['faces']} faces, not inspected"
    return (
        f"{run['faces_perturbed']} of {run['faces']} faces perturbed, "
        f"{run['faces_reconstructed']} reconstructed{_unresolved(run)}"
    )


def _failures(run: dict[str, Any]) -> list[str]:
    """Frames that a failed stage left as they were: never without a word."""
    if not run["frames_passed_through"]:
        return []
    first = run["failures"][0]
    return [
        f"  {run['frames_passed_through']} frames are as they were, since a stage failed; first at "
        f"frame {first['first_frame']} (pts {first['pts']}): {first['message']}"
    ]


def _repair(choice: dict[str, Any]) -> str:
    """A track's repair in words."""
    told = " | ".join("; ".join(recipes) for recipes in choice["rounds"])
    before, after = _number(choice["score_before"]), _number(choice["score_after"])
    ending = "" if choice["resolved"] else ", unresolved"
    used = f"S_final {before} to {after}{ending}" if choice["accepted"] else "not used"
    average = f"average of {choice['window']} frames, " if choice["averaged"] else ""
    where = f"track {choice['track']} from frame {choice['frame']}"
    return f"  repair of {where}: {average}{told} ({used})"


def _unresolved(run: dict[str, Any]) -> str:
    """How much of the repair did not bring the score into its clean range."""
    rounds = max((len(choice["rounds"]) for choice in run["choices"]), default=0)
    told = f" in up to {rounds} rounds" if rounds > 1 else ""
    count = run["faces_unresolved"]
    return f"{told}, {count} of them unresolved" if count else told


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"  # null in a report: not a finite number


SHOWN = {
    "score": "score",
    "s_dist": "S_dist",
    "s_cons": "S_cons",
    "s_mean": "mean shift",
    "s_final": "S_final",
}
"""Numbers of a verdict and their headings; at a score of 0 or more a face is perturbed."""


def show_verdicts(document: dict[str, Any]) -> None:
    """The verdicts of a clip, and how many faces they condemn."""
    rows = [
        [
            str(v["track"]),
            str(v["frame"]),
            "perturbed" if v["perturbed"] else "clean",
            *(_number(v.get(key)) for key in SHOWN),
            ", ".join(v["regions"]),
        ]
        for v in document["run"]["verdicts"]
    ]
    head = ("track", "frame", "verdict", *SHOWN.values(), "flagged regions")
    print_table(document["input"], head, rows)
    run = document["run"]
    broken = run["faces_perturbed"]
    verdict = "perturbed" if broken else "clean" if run["faces"] else "no face"
    print(f"{verdict}: {broken} of {run['faces']} face-frames perturbed")
    for note in run["notes"]:
        say(f"  note: {note}")
