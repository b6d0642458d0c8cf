"""Rec-Net's table as text."""

from __future__ import annotations

from collections.abc import Sequence

from magdr_video.reconstruction.composer import Chain
from magdr_video.reconstruction.fitted import Fit, RecNetTable


def chain_text(chain: Chain) -> str:
    """A chain as `transforms.parse_chain` reads it; the identity is empty."""
    return " > ".join(map(str, chain))


def table_text(table: RecNetTable, about: Sequence[str]) -> str:
    """The table as TOML; its head says how it was made and what was measured."""
    layers = [f"  [{', '.join(_quoted((choice,)) for choice in layer)}]," for layer in table.layers]
    return "\n".join(
        [
            *(f"# {line}".rstrip() for line in about),
            f'task = "{table.task}"',
            f'model = "{table.model}"',
            f'purifier = "{table.purifier}"',
            f'motion_purifier = "{table.motion_purifier}"',
            "",
            *_fit_lines("single", table.single),
            "",
            *_fit_lines("averaged", table.averaged, f"window = {table.window}"),
            "",
            "[search]",
            f"margin = {table.margin:g}",
            "layers = [",
            *layers,
            "]",
            "",
        ]
    )


def _fit_lines(name: str, fit: Fit, *more: str) -> list[str]:
    lines = [
        f"[{name}]",
        *more,
        f"default = {_quoted(fit.default)}",
        "candidates = [",
        *(f"  {_quoted(chain)}," for chain in fit.candidates),
        "]",
    ]
    if fit.regions:
        lines += ["", f"[{name}.regions]"]
        lines += [f"{region} = {_quoted(chain)}" for region, chain in fit.regions.items()]
    return lines


def _quoted(chain: Chain) -> str:
    return f'"{chain_text(chain)}"'
