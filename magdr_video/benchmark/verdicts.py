"""Where MagDR leads its own tables and where it does not, in sentences made from the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magdr_video.baselines.registry import DETECTORS
from magdr_video.benchmark.table import number

Row = Mapping[str, Any]
MAGDR = "MagDR"
HOLDS = 0.5
"""F1 from which a detector still says something of an attack made against it."""
EVADED = (
    "An attacker who knows this detector passes it, and with it the repair that it gates. The "
    "paper's Figure 3 shows a detector that holds; that is not reproduced here."
)
PAPER = ("DD", "CD", "DD or CD")
RANKS_WELL = 0.95
"""AUROC from which a missed face is the threshold's fault, not the score's."""


def detection_lines(rows: Sequence[Row]) -> list[str]:
    """MagDR's F1 and AUROC beside those of the best baseline, and what its misses are due to."""
    lines = []
    for task, attack in _pairs(rows, "attack"):
        held = [row for row in rows if (row["task"], row["attack"]) == (task, attack)]
        ours = _named(held, "detector", MAGDR)
        text = f"MagDR F1 {number(ours['f1'])}, AUROC {number(ours['auroc']['mean'])}"
        rivals = [row for row in held if row["detector"] in DETECTORS]
        for word, value in (("F1", _f1), ("AUROC", _auroc)):
            if rivals:
                best = max(rivals, key=value)
                text += (
                    f"; best baseline by {word} '{best['detector']}' {number(value(best))} "
                    f"({_standing(value(best), value(ours))})"
                )
        own = [row for row in held if row["detector"] in PAPER]
        if own:
            text += "; the paper's two detectors, F1: "
            text += ", ".join(f"{row['detector']} {number(row['f1'])}" for row in own)
        rest = f"{_why_missed(ours)}{_with_hard_negatives(ours)}{_after_codec(ours, rivals)}"
        lines.append(f"* {task}, {attack}: {text}{rest}")
    return lines


def _after_codec(ours: Row, rivals: Sequence[Row]) -> str:
    """What is left after the codec, of MagDR and of the best baseline there."""
    parts = []
    for carrier, codec in ours["codecs"].items():
        text = (
            f"{carrier} F1 {number(codec['f1_interval']['mean'])}, "
            f"AUROC {number(_coded_auroc(ours, carrier))}"
        )
        if rivals:
            best = max(rivals, key=lambda row, carrier=carrier: _coded_auroc(row, carrier))  # type: ignore[misc]
            value = _coded_auroc(best, carrier)
            standing = _standing(value, _coded_auroc(ours, carrier))
            text += f", best baseline '{best['detector']}' {number(value)} ({standing})"
        parts.append(text)
    crf = next(iter(ours["codecs"].values()))["crf"]
    return f". After H.264 crf {crf}: {'; '.join(parts)}"


def _coded_auroc(row: Row, carrier: str) -> float:
    return float(row["codecs"][carrier]["auroc"]["mean"])


def _with_hard_negatives(ours: Row) -> str:
    held = ours["all"]
    return (
        f". With hard negatives: AUROC {number(held['auroc']['mean'], 3)}, F1 "
        f"{number(held['f1_at_1']['mean'], 3)} at 1 % false positives and "
        f"{number(held['f1_interval']['mean'], 3)} as fitted, where "
        f"{held['false_positives']['mean']:.1%} of the {held['clean']} clean faces are flagged"
    )


def _f1(row: Row) -> float:
    return float(row["f1"])


def _auroc(row: Row) -> float:
    return float(row["auroc"]["mean"])


def _standing(rival: float, ours: float) -> str:
    return "below" if rival < ours else "level" if rival == ours else "above MagDR"


def _why_missed(ours: Row) -> str:
    if ours["recall"] >= 1.0:
        return ""
    missed = f". It misses {1 - ours['recall']:.0%} of the attacked faces"
    if _auroc(ours) >= RANKS_WELL:
        return (
            f"{missed} though it ranks them above clean ones: its threshold lets at most 1 % of "
            "clean and compressed faces through, which were measured on other people"
        )
    return f"{missed}, whose score is that of clean ones: the attack moves this generator little"


def repair_lines(rows: Sequence[Row]) -> list[str]:
    """MagDR's PSNR(O) beside no defence, the best baseline, and what its gate costs or spares."""
    lines = []
    for task, attack in _pairs(rows, "input"):
        held = [row for row in rows if (row["task"], row["input"]) == (task, attack)]
        ours = _named(held, "row", MAGDR)
        nothing = _named(held, "row", "no defence")
        parts = [f"MagDR {number(_psnr(ours))}, no defence {number(_psnr(nothing))}"]
        for kind, word in (("baseline", "baseline"), ("single", "fixed transform")):
            rivals = [row for row in held if row["kind"] == kind and row["faces"] == ours["faces"]]
            if rivals:
                best = max(rivals, key=_psnr)
                verdict = _standing(_psnr(best), _psnr(ours))
                parts.append(f"best {word} '{best['row']}' {number(_psnr(best))} ({verdict})")
        lines.append(f"* {task}, {attack}: {', '.join(parts)}{_why_unrepaired(ours, held)}")
    return lines


def _psnr(row: Row) -> float:
    return float(row["columns"]["o|psnr"]["mean"])


def _why_unrepaired(ours: Row, held: Sequence[Row]) -> str:
    left = float(ours["columns"]["untouched"]["mean"])
    ungated = next((row for row in held if row["row"] == "default recipe"), None)
    if left == 0 or ungated is None:
        return ""
    return (
        f". It left {left:.0%} of the attacked faces as they were, since its detector did not flag "
        f"them or no repair lowered its score; its default recipe on every face gives "
        f"{number(_psnr(ungated))}"
    )


def adaptive_lines(rows: Sequence[Row]) -> list[str]:
    """What the last iteration of each attack leaves of MagDR."""
    lines = []
    for task, attack in _pairs(rows, "attack"):
        held = [
            row
            for row in rows
            if (row["task"], row["attack"], row["detector"]) == (task, attack, MAGDR)
        ]
        first, last = held[0], held[-1]
        lines.append(
            f"* {task}, {attack}: MagDR's F1 {number(first['f1'])} after {first['steps']} and "
            f"{number(last['f1'])} after {last['steps']} iterations; output MSE then "
            f"{number(last['damage']['mean'], 4)} without and "
            f"{number(last['damage_behind']['mean'], 4)} behind the defence"
            f"{_baseline_at_the_end(rows, last)}"
        )
    ends = [row for row in rows if row["detector"] == MAGDR and row["attack"] == "adaptive"]
    if any(row["f1"] < HOLDS for row in ends if row["steps"] == ends[-1]["steps"]):
        lines += ["", EVADED]
    return lines


def _baseline_at_the_end(rows: Sequence[Row], last: Row) -> str:
    """The best of the baselines on the faces of the last iteration."""
    point = ("task", "attack", "steps")
    held = [
        row
        for row in rows
        if row["detector"] in DETECTORS and all(row[key] == last[key] for key in point)
    ]
    if not held:
        return ""
    best = max(held, key=_f1)
    return f"; best baseline on these faces '{best['detector']}', F1 {number(best['f1'])}"


def _pairs(rows: Sequence[Row], column: str) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["task"], row[column]) for row in rows))


def _named(rows: Sequence[Row], column: str, name: str) -> Row:
    return next(row for row in rows if row[column] == name)


LINES: Mapping[str, tuple[str, Callable[[Sequence[Row]], list[str]]]] = {
    "detection": ("F1 and AUROC against clean photographs:", detection_lines),
    "reconstruction": ("PSNR (O) in dB, on equally many faces:", repair_lines),
    "adaptive": ("The ends of the curves:", adaptive_lines),
}
"""By benchmark: what is listed, and its lines."""
