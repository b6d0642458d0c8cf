"""`demo`: a self-made example that needs no input."""

from __future__ import annotations

from pathlib import Path

import typer

from magdr_video.progress import say


def demo(
    output: Path = typer.Option(Path("magdr-demo"), "--output", "-o", help="Folder to write to."),
    task: str = typer.Option("edit", "--task", "-t", help="replace, edit or reenact."),
    seconds: float = typer.Option(2.0, help="Length of the clip.", min=0.2, max=20.0),
    device: str = typer.Option("auto", "--device", help="auto, cpu, cuda or cuda:N."),
    yes: bool = typer.Option(False, "-y", help="Overwrite an earlier demo."),
) -> None:
    """Make a clip, protect it, translate it undefended and defended, show all side by side."""
    from magdr_video.demo import run_demo

    for path in run_demo(output, task=task, seconds=seconds, device=device, overwrite=yes, say=say):
        print(path)
