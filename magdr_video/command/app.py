"""The program and its commands; the only place that catches `MagdrError`."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from magdr_video.command import benchmark, clips, demo, info, models, protect, train
from magdr_video.errors import ClosedPipe, MagdrError, printable
from magdr_video.stopping import heed_signals

app = typer.Typer(
    name="magdr-video",
    help="Does a face protection survive? Detect and undo adversarial perturbations in video, "
    "then translate the faces (MagDR, CVPR 2021).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("defend")(clips.defend)
app.command("detect")(clips.detect)
app.command("protect")(protect.protect)
app.command("info")(info.info)
app.command("demo")(demo.demo)
app.command("train", context_settings=train.PASS_ON)(train.train)
app.add_typer(models.app, name="models")
app.add_typer(benchmark.app, name="benchmark")


def _version(wanted: bool) -> None:
    if wanted:
        from magdr_video import __version__

        print(f"magdr-video {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Holds the options that come before a command."""


def describe(error: MagdrError) -> str:
    """An error as people see it: one line, and a hint on a second."""
    lines = [f"magdr-video: {printable(str(error))}"]
    if error.hint:
        lines.append(f"  hint: {printable(error.hint)}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> Any:
    """Run the program and exit with the documented code."""
    heed_signals()
    try:
        app(arguments, prog_name="magdr-video")
    except (ClosedPipe, BrokenPipeError):
        # Keep the interpreter from complaining when it flushes the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ClosedPipe.exit_code)
    except MagdrError as error:
        print(describe(error), file=sys.stderr)
        sys.exit(error.exit_code)
