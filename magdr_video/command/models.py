"""`models list|verify|show|import`."""

from __future__ import annotations

from pathlib import Path

import typer

from magdr_video.errors import WeightsError
from magdr_video.progress import print_table

app = typer.Typer(help="List, check, show and import weights.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """Show every known model."""
    from magdr_video.models import zoo

    head = ("name", "task", "architecture", "px", "parameters", "licence", "sha256", "path")
    rows = [
        [
            r.name,
            r.task,
            f"{r.architecture} ({r.layout})",
            str(r.size),
            f"{r.parameters:,}",
            r.licence,
            r.sha256[:12],
            str(r.path),
        ]
        for r in zoo.list_models()
    ]
    print_table("Models", head, rows)


@app.command()
def verify(
    names: list[str] = typer.Argument(None, metavar="[NAME]...", help="All where none is named."),
) -> None:
    """Check weights against their recorded hashes."""
    from magdr_video.models import zoo

    checks = zoo.verify(names or [])
    rows = [[c.name, "ok" if c.ok else c.problem] for c in checks]
    print_table("Verification", ("name", "result"), rows)
    bad = [c.name for c in checks if not c.ok]
    if bad:
        raise WeightsError(
            f"not as recorded: {', '.join(bad)}", hint="reinstall the package, or import them anew"
        )


@app.command()
def show(name: str = typer.Argument(..., help="Name or file.")) -> None:
    """Show one model and its card."""
    from magdr_video.models import zoo

    record = zoo.find(name)
    rows = [[key, str(value)] for key, value in vars(record).items()]
    print_table(record.name, ("what", "value"), rows)
    if card := _card(record.path):
        print(card.read_text(encoding="utf-8"))


def _card(weights: Path) -> Path | None:
    """The card beside weights; cyclegan-synthetic.md is that of its directions -ab and -ba."""
    named = [weights.stem, weights.stem.rpartition("-")[0]]
    cards = [weights.with_name(f"{name}.md") for name in named if name]
    return next((card for card in cards if card.exists()), None)


@app.command("import")
def import_(
    path: Path = typer.Argument(..., help=".safetensors, .pth, .ckpt or .pt"),
    name: str = typer.Option(..., "--as", help="The name it gets."),
    size: int | None = typer.Option(None, help="Side of its crops, px."),
    alignment: str | None = typer.Option(None, help="ffhq, celeba, openface or box."),
    licence: str = typer.Option("", help="Licence of the weights."),
    overwrite: bool = typer.Option(False, "-y", help="Replace a model of that name."),
) -> None:
    """Take over a checkpoint of a known layout."""
    from magdr_video.models import zoo

    record = zoo.import_checkpoint(
        path, name, size=size, alignment=alignment, licence=licence, overwrite=overwrite
    )
    print(f"{record.name}: {record.architecture} ({record.layout}), {record.path}")
