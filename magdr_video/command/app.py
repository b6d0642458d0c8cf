"""The program and its commands."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from magdr_video.command import benchmark, defend, demo, detect, info, models, protect, train
from magdr_video.errors import ClosedPipe


class Program(TyperGroup):
    """Commands, to which a closed pipe is no failure: typer would end with 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipe("nobody reads the output any more") from error


app = typer.Typer(
    name="magdr-video",
    cls=Program,
    help="Does a face protection survive? Detect and undo adversarial perturbations in video, "
    "then translate the faces (MagDR, CVPR 2021).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Boxes take a third of a second to import, which is longer than the answer should take.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("defend")(defend.defend)
app.command("detect")(detect.detect)
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
