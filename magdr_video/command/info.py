"""`info`: a file's streams and marks, or this installation."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from magdr_video.progress import print_table


def info(
    path: Path | None = typer.Argument(None, help="A video file; none shows this installation."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show a file's streams and marks, or devices and library versions."""
    rows = _installation() if path is None else _clip(path)
    if as_json:
        out: dict[str, object] = {}
        for key, value in rows:
            out[key] = value if key not in out else f"{out[key]}; {value}"
        print(json.dumps(out))
    else:
        print_table("This installation" if path is None else str(path), ("what", "value"), rows)


def _clip(path: Path) -> list[list[str]]:
    from magdr_video.provenance import read_marks
    from magdr_video.video.reader import probe

    clip = probe(path)
    colour = clip.colour
    rows = [
        ["container", clip.format],
        ["codec", clip.codec],
        ["picture", f"{clip.width}x{clip.height}, upright"],
        ["turned", f"{clip.rotation} degrees"],
        ["pixel aspect", str(clip.sample_aspect)],
        ["pixel format", clip.pixel_format],
        ["colour", f"{colour.matrix}{' (guessed)' if colour.guessed else ''}"],
        ["range", "full" if colour.full_range else "limited"],
        ["hdr", "yes" if clip.hdr else "no"],
        ["time base", str(clip.time_base)],
        ["average rate", f"{float(clip.average_rate):.3f} frames a second"],
        ["duration", f"{float(clip.duration):.3f} s" if clip.duration else "unknown"],
        ["frames, as claimed", str(clip.frame_count_hint or "unknown")],
    ]
    rows += [["stream", f"{n.index}: {n.kind} {n.codec}"] for n in clip.streams]
    rows += [["mark", mark] for mark in read_marks(clip.metadata) or ["none found"]]
    if path.with_name(path.name + ".magdr.json").exists():
        rows.append(["audit record", f"{path.name}.magdr.json"])
    return rows


def _installation() -> list[list[str]]:
    from magdr_video.device import choose_device, describe
    from magdr_video.provenance import library_versions
    from magdr_video.torch_pair import require_fitting_pair

    require_fitting_pair()
    rows = [[name, version] for name, version in library_versions().items()]
    return [*rows, ["device", describe(choose_device("auto"))]]
