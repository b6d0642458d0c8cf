"""`demo`: the whole story on a self-made clip, or on one that is given."""

from __future__ import annotations

from pathlib import Path

import typer

from magdr_video.progress import say


def demo(
    clip: Path | None = typer.Argument(None, help="Your clip; without it one is made."),
    output: Path = typer.Option(Path("magdr-demo"), "--output", "-o", help="Folder to write to."),
    task: str = typer.Option("edit", "--task", "-t", help="replace, edit or reenact."),
    seconds: float = typer.Option(2.0, help="Length of a self-made clip.", min=0.2, max=20.0),
    device: str = typer.Option("auto", "--device", help="auto, cpu, cuda or cuda:N."),
    yes: bool = typer.Option(False, "-y", help="Overwrite an earlier demo."),
) -> None:
    """Protect a clip, translate it undefended and defended, show all side by side."""
    from magdr_video.demo import run_demo

    made = run_demo(
        output, clip=clip, task=task, seconds=seconds, device=device, overwrite=yes, say=say
    )
    for path in made:
        print(path)
