"""The document of the benchmark on clips as tables, with the words that introduce them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from magdr_video.benchmark.table import Row, Table, interval
from magdr_video.settings import TASKS

Document = Mapping[str, Any]


def clip_tables(rows: Sequence[Row]) -> list[Table]:
    """For each task and clip: PSNR (O) of its repairs, its whole runs, what clean input becomes."""
    out = []
    for clip in rows:
        about = f"{clip['task']}, {clip['clip']}, {clip['faces']} face-frames"
        if clip["versions"]:
            out.append(_versions_table(clip["versions"], about))
        if clip["runs"]:
            lines = tuple(_run_line(run) for run in clip["runs"])
            out.append(Table(f"Whole runs, {about}", RUN_HEAD, lines))
        clean = tuple(_clean_line(run) for run in clip["runs"] if "identical" in run)
        if clean:
            out.append(Table(f"Clean input, {about}", CLEAN_HEAD, clean))
    return out


def _versions_table(versions: Sequence[Row], about: str) -> Table:
    """Repairs down, codecs across; a dash where a version has no such row."""
    names = dict.fromkeys(row["row"] for held in versions for row in held["rows"])
    by_name = [{row["row"]: row["psnr"] for row in held["rows"]} for held in versions]
    lines = tuple((name, *(interval(held.get(name), 1) for held in by_name)) for name in names)
    head = ("row", *map(_version, versions))
    return Table(f"PSNR (O) in dB [95 %], {about}", head, lines)


def _version(held: Row) -> str:
    if held["shared"]:
        return "lossless, one perturbation for all frames"
    return "lossless" if held["crf"] == 0 else f"H.264 crf {held['crf']}"


RUN_HEAD = (
    "run", "PSNR (O) [95 %], dB", "dB behind no cache [95 %]", "flicker / clean",
    "generator passes a face-frame", "perturbed", "repairs chosen", "choices saved", "reused",
    "unresolved",
)  # fmt: skip


def _run_line(run: Row) -> tuple[str, ...]:
    found = run["faces_perturbed"]
    return (
        run["run"],
        interval(run["psnr"], 2),
        interval(run.get("behind_no_cache"), 2),
        f"{run['flicker']:.3f}",
        f"{run['passes a face']:.3f}",
        "-" if found is None else f"{found} of {run['faces']}",
        str(run["choices"]),
        _share(run.get("choices_saved")),
        str(run["recipe_hits"]),
        str(run["faces_unresolved"]),
    )


CLEAN_HEAD = (
    "input", "perturbed", "bit-identical to an undefended run", "share",
    "the others: largest difference of a sample", "PSNR against it [95 %], dB",
    "PSNR (O) lost against it [95 %], dB",
)  # fmt: skip


def _clean_line(run: Row) -> tuple[str, ...]:
    found = run["faces_perturbed"]
    return (
        run["run"],
        "-" if found is None else f"{found} of {run['faces']}",
        f"{run['identical']} of {run['compared']}",
        _share(run["identical"] / run["compared"]),
        "-" if run["changed_by"] is None else str(run["changed_by"]),
        interval(run["changed_psnr"], 2),
        interval(run["changed_lost"], 2),
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def clip_command(held: Document) -> str:
    """The command that measured a document."""
    plan = held["plan"]
    clips = list(dict.fromkeys(row["clip"] for row in held["rows"]))
    tasks = plan.get("tasks", TASKS)
    words = ["magdr-video", "benchmark", "clips", *clips, "--frames", str(plan["frames"])]
    words += ["--codecs", ",".join(map(str, plan["codecs"]))]
    words += [] if tuple(tasks) == TASKS else ["--tasks", ",".join(tasks)]
    words += ["--protected", plan["protected"]] if plan.get("protected") else []
    if plan.get("runs"):
        words.append("--runs" if plan.get("versions", True) else "--runs-only")
    words += ["--seed", str(plan["seed"])]
    words += [word for setting in plan.get("overrides", ()) for word in ("--set", setting)]
    return shlex.join(words)


def clip_lead(held: Document) -> str:
    """What was measured and how to read it."""
    plan = held["plan"]
    taken = f"First {plan['frames']} frames of each clip" if plan["frames"] else "All frames"
    parts = [CLIPS, f"{taken}, seed {plan['seed']}."]
    if any(row["versions"] for row in held["rows"]):
        parts.append(VERSIONS)
    if any(row["runs"] for row in held["rows"]):
        parts.append(RUNS)
    return " ".join(parts)


CLIPS = (
    "Each clip was protected frame by frame (PGD, epsilon 0.05), and its faces cut out of every "
    "version at the places of the clean clip. PSNR (O) in dB is the distance of their translation "
    "from that of the clean faces, mean over frames. Intervals are over the frames of one clip, "
    "which resemble each other; they say nothing about other clips."
)
VERSIONS = (
    "The protected clip was written without loss or encoded; every face is repaired whatever the "
    "verdict. 'best single transform' is the setting that fitted best alone, the learned purifier "
    "where it did, 'best classical single transform' the best without learned weights; 'average' "
    "rows average neighbouring frames along the motion; its chain or the motion purifier, which "
    "has the frame itself as well, may follow. 'clean clip, same codec' was never "
    "attacked: what the codec alone leaves. It is a dash where nothing was encoded, since "
    "there it is what all are compared with."
)
RUNS = (
    "Whole runs go from file to file as `defend` does, without loss at the end. Choices saved are "
    "those of a run that chooses in every frame. Flicker is the mean change from frame to frame "
    "over that of the clean clip's translation. A clean face counts as bit-identical when its "
    "whole frame is that of an undefended run of the same file, to the last bit; one that is not "
    "perturbed and not bit-identical was translated in another batch, and rounded otherwise. PSNR "
    "is capped at 60 dB, and PSNR (O) can be lost only where a codec left some to lose."
)
