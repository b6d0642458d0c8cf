"""Options that several commands share, and what is checked of them before any work."""

from __future__ import annotations

from pathlib import Path

import typer

from magdr_video.errors import OutputError, SettingsError, UsageError, nearest
from magdr_video.progress import MODES

INPUTS = typer.Argument(
    ..., help="Video files, directories, quoted patterns, @LIST; - is stdin.", show_default=False
)
TASK = typer.Option(None, "--task", "-t", help="replace, edit or reenact.")
PRESET = typer.Option(
    None, "--preset-file", "--preset", help="Your own preset (TOML).", envvar="MAGDR_PRESET_FILE"
)
SET = typer.Option([], "--set", help="Override one setting: key=value. Repeatable.")
DEVICE = typer.Option(None, "--device", help="auto, cpu, cuda or cuda:N.")
PRECISION = typer.Option(
    None, "--precision", help="Networks on a GPU: auto, full (32 bits) or half (16)."
)
FACE = typer.Option(None, "--face", help="all, largest, index:N or a picture.")
GENERATOR = typer.Option(
    None, "--generator", help="Weights, a TorchScript or export file, or package.module:factory."
)
ATTRIBUTES = typer.Option(None, "--attributes", help="edit: such as Blond_Hair,Young.")
EXPRESSION = typer.Option(
    None, "--expression", help="reenact: such as happy, or AU12=0.8,AU25=0.5."
)
NO_CACHE = typer.Option(False, "--no-cache", help="Inspect every face of every frame.")
PROGRESS = typer.Option(
    "auto", "--progress", help="auto, bar, json or none.", envvar="MAGDR_PROGRESS"
)
PRINT_CONFIG = typer.Option(
    False, "--print-config", help="Print every setting and where it comes from, then exit."
)
QUIET = typer.Option(False, "--quiet", "-q", help="No progress, no notes.", envvar="MAGDR_QUIET")
RECURSIVE = typer.Option(
    False, "--recursive", "-r", help="Directories in directories, too.", envvar="MAGDR_RECURSIVE"
)
JOBS = typer.Option(None, "--jobs", help="Clips worked on at once, in processes.")
FAIL_FAST = typer.Option(
    False, "--fail-fast", help="Begin nothing more after a failure.", envvar="MAGDR_FAIL_FAST"
)
JSON = typer.Option(False, "--json", help="Print the report on stdout.", envvar="MAGDR_JSON")
REPORT = typer.Option(None, "--report", help="Write the report to a file.", envvar="MAGDR_REPORT")

CRF = typer.Option(None, "--crf", help="Constant rate factor.")
ENCODER_PRESET = typer.Option(
    None, "--encoder-preset", help="The encoder's own preset, such as veryfast."
)
PIX_FMT = typer.Option(None, "--pix-fmt", help="Pixel format.")
ENCODER_OPTIONS = typer.Option([], "-e", help="Encoder option key=value. Repeatable.")
PROVENANCE = typer.Option(None, "--provenance", help="auto, require or none.")
HDR = typer.Option(None, "--hdr", help="reject or passthrough.")
YES = typer.Option(False, "-y", help="Overwrite what exists.")
NO = typer.Option(False, "-n", help="Skip what exists.")
DRY_RUN = typer.Option(False, "--dry-run", help="Print the plan; write nothing.")


def check_mode(mode: str) -> None:
    """Refuse a progress that does not exist."""
    if mode not in MODES:
        raise UsageError(f"--progress '{mode}' is not allowed", hint=nearest(mode, MODES))


def check_report(path: Path | None) -> None:
    """Refuse before hours of work a report that could not be written after them.

    Raises:
        OutputError: its folder is not there, or it is a folder itself.
    """
    if path is None:
        return
    if path.is_dir():
        raise OutputError(f"--report {path} is a directory", hint="name a file in it")
    if not path.parent.is_dir():
        raise OutputError(f"--report {path}: no such folder", hint="make the folder first")


def pair(text: str) -> tuple[str, str]:
    """An encoder option, key=value."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise SettingsError(f"-e '{text}' has no '='", hint="write -e key=value")
    return key, value


def check_condition(task: str, attributes: str | None, expression: str | None) -> None:
    """Refuse a flag that the task would not heed.

    Raises:
        SettingsError: attributes for another task than edit, an expression for another than
            reenact.
    """
    for flag, given, kind in (
        ("--attributes", attributes, "edit"),
        ("--expression", expression, "reenact"),
    ):
        if given is not None and task != kind:
            raise SettingsError(
                f"{flag} steers {kind}, the task is {task}",
                hint=f"add --task {kind}, or drop {flag}",
            )
