"""A picture of a clip's scores over time, and of its regions; the home of matplotlib for clips."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from magdr_video.errors import OutputError, SettingsError

PICTURES = (".png", ".svg", ".pdf")
"""Endings that a plot may have."""

_CLEAN, _PERTURBED = "#2a6f97", "#c1121f"
_MARGIN_SPAN = 6.0
"""Margins are coloured from minus this to this, in standard deviations of clean faces."""


def check_plot(path: Path) -> None:
    """Refuse before any work what could not be drawn after it.

    Raises:
        SettingsError: matplotlib is not installed, or the ending is none of `PICTURES`.
        OutputError: the folder does not exist.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise SettingsError("--plot needs matplotlib", hint="pip install 'magdr-video[plot]'")
    if path.suffix.lower() not in PICTURES:
        raise SettingsError(f"--plot {path} is no picture", hint=f"end it in {', '.join(PICTURES)}")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"folder {path.parent} does not exist", hint="make it first")


def draw_scores(document: Mapping[str, Any], path: Path) -> None:
    """Write a picture of a report's verdicts.

    Above, the decider's score of every inspected face over the frames, a line a track, filled
    where the verdict is perturbed; 0 is the threshold. Below, the region margins of the track
    that was inspected most often, in standard deviations of clean faces beyond the target region.

    Args:
        document: a report of a run that judged faces: `detect`, or `defend` with its defence.
        path: the file to write, see `check_plot`.

    Raises:
        OutputError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    verdicts = [v for v in document["run"]["verdicts"] if v.get("score") is not None]
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    run = document["run"]
    figure.suptitle(
        f"{Path(document['input']).name}, {document['task']}: "
        f"{run['faces_perturbed']} of {run['faces']} face-frames perturbed"
    )
    _draw_tracks(upper, verdicts)
    _draw_regions(figure, lower, _longest(verdicts))
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error


def _tracks(verdicts: Sequence[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    out: dict[int, list[Mapping[str, Any]]] = {}
    for verdict in verdicts:
        out.setdefault(verdict["track"], []).append(verdict)
    return out


def _longest(verdicts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The track inspected most often; of equal ones the one with the highest score."""
    tracks = list(_tracks(verdicts).values())
    return max(tracks, key=lambda held: (len(held), max(v["score"] for v in held)), default=[])


def _draw_tracks(axes: Any, verdicts: Sequence[Mapping[str, Any]]) -> None:
    for track, held in _tracks(verdicts).items():
        frames, scores = [v["frame"] for v in held], [v["score"] for v in held]
        axes.plot(frames, scores, color=_CLEAN, linewidth=1, alpha=0.6)
        colours = [_PERTURBED if v["perturbed"] else "white" for v in held]
        edges = [_PERTURBED if v["perturbed"] else _CLEAN for v in held]
        axes.scatter(frames, scores, c=colours, edgecolors=edges, s=28, zorder=3)
        axes.annotate(
            f"track {track}",
            (frames[-1], scores[-1]),
            textcoords="offset points",
            xytext=(6, 4),
            fontsize=8,
        )
    axes.axhline(0, color=_PERTURBED, linestyle="--", linewidth=1)
    axes.set_ylabel("score above threshold")
    axes.grid(alpha=0.2)
    if not verdicts:
        axes.text(0.5, 0.5, "no face was inspected", transform=axes.transAxes, ha="center")


def _draw_regions(figure: Any, axes: Any, held: Sequence[Mapping[str, Any]]) -> None:
    regions = list(dict.fromkeys(name for v in held for name in v.get("margins", {})))
    axes.set_xlabel("frame")
    if not regions:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no region was judged", transform=axes.transAxes, ha="center")
        return
    for row, region in enumerate(regions):
        judged = [v for v in held if v.get("margins", {}).get(region) is not None]
        drawn = axes.scatter(
            [v["frame"] for v in judged],
            [row] * len(judged),
            c=[v["margins"][region] for v in judged],
            cmap="coolwarm",
            vmin=-_MARGIN_SPAN,
            vmax=_MARGIN_SPAN,
            marker="s",
            s=60,
            edgecolors=["black" if region in v["regions"] else "none" for v in judged],
        )
    axes.set_yticks(range(len(regions)), regions)
    axes.set_ylim(-0.6, len(regions) - 0.4)
    axes.set_ylabel(f"regions of track {held[0]['track']}")
    figure.colorbar(drawn, ax=axes, label="margin over target (eq. 5)")
