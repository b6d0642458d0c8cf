"""Figures of a benchmark; matplotlib is an optional extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from magdr_video.baselines.registry import DETECTORS
from magdr_video.errors import UsageError

MARGIN = 4
LONGEST = 30
"""Characters of a row's name in a figure."""
LABEL = 16
"""Height of a line of text in pixels."""

Picture = Tensor
"""(3, S, S) uint8."""


def pyplot() -> Any:
    """matplotlib's pyplot without a display.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UsageError(
            "figures need matplotlib", hint='pip install "magdr-video[benchmark]"'
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def roc_figure(rows: Sequence[Mapping[str, Any]], attack: str, path: Path) -> None:
    """ROC curves of all detectors, a panel a task."""
    plt = pyplot()
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    figure, axes = plt.subplots(1, len(tasks), figsize=(4.4 * len(tasks), 4.8), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for row in rows:
            if row["task"] != task or row["attack"] != attack or len(row["roc"]) < 3:
                continue
            false, true = zip(*row["roc"], strict=True)
            wide = 2.5 if row["detector"] == "MagDR" else 1.0
            label = f"{row['detector']} {row['auroc']['mean']:.2f}"
            axis.plot(false, true, linewidth=wide, label=label)
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
        axis.set(title=f"{task}, {attack}", xlabel="false positive rate", aspect="equal")
        axis.legend(fontsize=6, loc="lower right")
    axes[0][0].set_ylabel("true positive rate")
    _save(figure, path)


def repair_figure(rows: Sequence[Mapping[str, Any]], attack: str, path: Path) -> None:
    """PSNR(O) of every row with its interval, a panel a task, beside the clean cost."""
    plt = pyplot()
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    most = max(sum(r["task"] == t and r["input"] == attack for r in rows) for t in tasks)
    size = (4.2 * len(tasks), 0.24 * most + 1)
    figure, axes = plt.subplots(1, len(tasks), figsize=size, squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        held = [row for row in rows if row["task"] == task and row["input"] == attack]
        held.sort(key=lambda row: row["columns"]["o|psnr"]["mean"])
        values = [row["columns"]["o|psnr"] for row in held]
        middle = np.array([v["mean"] for v in values])
        spread = np.abs(
            np.array([[v["low"] for v in values], [v["high"] for v in values]]) - middle
        )
        colours = ["tab:orange" if row["kind"] == "own" else "0.6" for row in held]
        axis.barh(range(len(held)), middle, xerr=spread, color=colours, error_kw={"linewidth": 0.7})
        axis.set_yticks(range(len(held)), [row["row"][:LONGEST] for row in held], fontsize=6)
        axis.set(title=f"{task}, {attack}", xlabel="PSNR (O), dB")
        axis.set_xlim(left=max(0.0, float(middle.min()) - 3))
        axis.set_ylim(-0.7, len(held) - 0.3)
    _save(figure, path)


OWN = ("DD", "CD", "DD or CD", "MagDR")
"""Own detectors whose curves are drawn beside the baselines'; the table has all."""
ATTACK_WORDS = {
    "oblivious": "attacks the generator",
    "adaptive": "attacks the generator and MagDR",
}


def attack_curve(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Figure 3: F1 of each detector over the iterations, a panel a task (across) and attack."""
    plt = pyplot()
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    size = (3.8 * len(tasks) + 1.4, 3.0 * len(attacks))
    figure, axes = plt.subplots(len(attacks), len(tasks), figsize=size, squeeze=False)
    for line, attack in zip(axes, attacks, strict=True):
        for axis, task in zip(line, tasks, strict=True):
            held = [row for row in rows if (row["task"], row["attack"]) == (task, attack)]
            _draw_curves(axis, held)
            axis.set_title(f"{task}: {ATTACK_WORDS.get(attack, attack)}", fontsize=9)
        line[0].set_ylabel("F1, 'disrupted'")
    for axis in axes[-1]:
        axis.set_xlabel("iterations of the attack")
    axes[0][-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    _save(figure, path)


def _draw_curves(axis: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """One panel: own detectors full, MagDR wide; baselines dashed."""
    names = list(dict.fromkeys(row["detector"] for row in rows))
    for place, name in enumerate(n for n in names if n in OWN or n in DETECTORS):
        held = [row for row in rows if row["detector"] == name]
        points = ([row["steps"] for row in held], [row["f1"] for row in held])
        style = {"linestyle": "-" if name in OWN else "--", "color": f"C{place}"}
        axis.plot(*points, marker=".", linewidth=2.5 if name == "MagDR" else 1, label=name, **style)
    ticks = sorted({row["steps"] for row in rows})
    axis.set(ylim=(-0.02, 1.02), xscale="log")
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()


def cost_figure(clips: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Where a frame's time goes: core-milliseconds of each stage, a bar a clip."""
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(8, 1 + 0.7 * len(clips)))
    names = [clip["clip"] for clip in clips]
    left = np.zeros(len(clips))
    for stage in clips[0]["stages"]:
        values = np.array([clip["stages"][stage]["core_ms_per_frame"] for clip in clips])
        axis.barh(names, values, left=left, label=stage)
        left += values
    axis.set_xlabel("core-milliseconds a frame, each stage alone")
    axis.legend(fontsize=7, ncols=3)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    plt = pyplot()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def face_grid(lines: Sequence[tuple[str, Sequence[tuple[str, Picture]]]], path: Path) -> None:
    """Figure 4: pictures in labelled lines, each line as wide as its pictures.

    Args:
        lines: a title, then each picture with its label.
    """
    side = int(lines[0][1][0][1].shape[-1])
    wide = max(len(held) for _, held in lines) * (side + MARGIN) + MARGIN
    tall = len(lines) * (side + 2 * LABEL + MARGIN) + MARGIN
    sheet = Image.new("RGB", (wide, tall), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for row, (title, held) in enumerate(lines):
        top = MARGIN + row * (side + 2 * LABEL + MARGIN)
        draw.text((MARGIN, top), title, fill="black", font=font)
        for column, (label, picture) in enumerate(held):
            left = MARGIN + column * (side + MARGIN)
            draw.text((left, top + LABEL), label[: side // 6], fill="black", font=font)
            face = Image.fromarray(picture.permute(1, 2, 0).numpy())
            sheet.paste(face, (left, top + 2 * LABEL))
    sheet.save(path, optimize=True)
