"""A calibration table as TOML text; `detection.calibration` reads it back."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from magdr_video.detection.calibration import Calibration, CleanStatistics, FittedScore
from magdr_video.types import TransformChoice


def table_text(table: Calibration, about: Sequence[str]) -> str:
    """The table as TOML.

    Args:
        about: lines of the head: how it was made, on what, and what was measured.
    """
    lines = [
        *(f"# {line}".rstrip() for line in about),
        f'task = "{table.task}"',
        f'model = "{table.model}"',
        f'purifier = "{table.purifier}"',
        f"criteria = [{_quoted(table.criteria)}]",
        f"regions = [{_quoted(table.regions)}]",
        f"transforms = [{_quoted([chain_text(chain) for chain in table.transforms])}]",
        "",
        "[thresholds]",
        f"region = {table.tau_region:.6g}",
        f"least_flags = {table.least_flags}",
        f"cons = {table.tau_cons:.6g}",
        f"mean = {table.tau_mean:.6g}",
        f"weight = {table.weight:g}",
        f"final = {table.tau_final:.6g}",
        "",
        "[recipe]",
        f'default = "{chain_text(table.recipe)}"',
        "",
        *(["[scores]", ""] if not table.scores else []),
    ]
    for name, score in table.scores.items():
        lines += _score_lines(name, score)
    for one in table.statistics:
        lines += _statistics_lines(one)
    return "\n".join(lines)


def chain_text(chain: Sequence[TransformChoice]) -> str:
    """A chain as `transforms.parse_chain` reads it."""
    return " > ".join(map(str, chain))


def _score_lines(name: str, score: FittedScore) -> list[str]:
    return [
        f'[scores."{name}"]',
        f"cues = [{_quoted(score.cues)}]",
        f"perturbed = [{', '.join(str(value).lower() for value in score.perturbed)}]",
        f"weights = [\n  {_rows(score.weights)},\n]",
        f"biases = {_numbers(score.biases)}",
        f"threshold = {score.threshold:.7g}",
        "",
    ]


def _statistics_lines(one: CleanStatistics) -> list[str]:
    values = ", ".join(f"{value:g}" for value in one.condition)
    return [
        "[[statistics]]",
        f"condition = [{values}]",
        f"faces = {one.faces}",
        f"distortion_mean = [\n  {_rows(one.distortion_mean)},\n]",
        f"distortion_std = [\n  {_rows(one.distortion_std)},\n]",
        f"consistency_mean = [\n  {_rows(one.consistency_mean)},\n]",
        f"consistency_std = [\n  {_rows(one.consistency_std)},\n]",
        "",
    ]


def _numbers(values: Tensor) -> str:
    return "[" + ", ".join(f"{value:.7g}" for value in values.tolist()) + "]"


def _rows(values: Tensor) -> str:
    return ",\n  ".join(_numbers(row) for row in values)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
