"""What belongs to Table 2 beside its rows: the lead over fixed transforms, and clean input."""

from __future__ import annotations

from collections.abc import Sequence

from magdr_video.benchmark.margins import RIVALS
from magdr_video.benchmark.table import Row, Table, interval, mean, number

MARGIN_HEAD = ("task", "attack", "row", "n", *(f"over {rival}" for rival in RIVALS))
CLEAN_HEAD = (
    "task", "input", "n", "bit-identical", "at least (95 %)", "changed", "PSNR to undefended, dB",
    "loss against undefended, dB",
)  # fmt: skip


def margin_table(rows: Sequence[Row]) -> Table:
    """Differences of PSNR(O) with intervals, a line for each task, attack and row."""
    held: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        line = held.setdefault((row["task"], row["attack"], row["row"]), {})
        line[row["over"]] = row["psnr"]
    lines = tuple(
        (
            *key,
            "-" if not line else str(min(one["count"] for one in line.values())),
            *(interval(line.get(rival), 2) for rival in RIVALS),
        )
        for key, line in held.items()
    )
    return Table("PSNR (O) of MagDR over others, dB [95 %], face by face", MARGIN_HEAD, lines)


def clean_table(rows: Sequence[Row]) -> Table:
    """What a run does to clean faces, a line for each task and kind of input."""
    lines = tuple(
        (
            row["task"],
            row["kind"],
            str(row["faces"]),
            interval(row["untouched"], 3),
            number(row["untouched_at_least"], 3),
            str(row["changed"]),
            mean(row["moved"], 1),
            interval(row["loss"], 2),
        )
        for row in rows
    )
    return Table("Clean input through a whole run", CLEAN_HEAD, lines)
