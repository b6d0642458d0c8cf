"""A table as Markdown, LaTeX and rows for the terminal, and how figures are written in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows of texts under a head."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """A pipe table under its title."""
        lines = [" | ".join(self.head), " | ".join("---" for _ in self.head)]
        lines += [" | ".join(row) for row in self.rows]
        return "\n".join([f"**{self.title}**", "", *(f"| {line} |" for line in lines)])

    def latex(self) -> str:
        """A `tabular` with its caption; needs no package."""
        lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (self.head, *self.rows)]
        return "\n".join(
            [
                r"\begin{table}",
                rf"\caption{{{_escaped(self.title)}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(self.head) - 1)}}}",
                r"\hline",
                lines[0],
                r"\hline",
                *lines[1:],
                r"\hline",
                r"\end{tabular}",
                r"\end{table}",
            ]
        )


def _escaped(text: str) -> str:
    for sign in "&%#_$":
        text = text.replace(sign, f"\\{sign}")
    return text.replace(">", "$>$").replace("<", "$<$")


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def interval(held: Mapping[str, float] | None, digits: int = 2) -> str:
    """A mean with its 95 % interval."""
    if held is None or not held["count"] or math.isnan(held["mean"]):
        return "-"
    low, high = number(held["low"], digits), number(held["high"], digits)
    return f"{number(held['mean'], digits)} [{low}, {high}]"


def mean(held: Mapping[str, float] | None, digits: int = 2) -> str:
    """The mean alone."""
    return "-" if held is None or not held["count"] else number(held["mean"], digits)
