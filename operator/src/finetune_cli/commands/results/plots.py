"""`plots`: figures for papers and slides."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from finetune_cli.commands.common import Context, Namespace, StoreUri, any_names
from finetune_cli.output import note
from finetune_client.errors import ClientError
from finetune_client.exits import Exit
from finetune_client.plotting import pictures_of
from finetune_client.stores import results_of


class Style(StrEnum):
    """What the plots are for; the names of `finetune_client.plotting.LOOKS`."""

    PAPER = "paper"
    SLIDES = "slides"
    REPORT = "report"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plots)


def plots(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Experiments or searches.", autocompletion=any_names),
    ],
    look: Annotated[
        Style,
        typer.Option(
            "--style",
            help="paper: PDF as wide as a column, fonts embedded, no title. slides: larger. report: as in reports.",
        ),
    ] = Style.PAPER,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to: TO/NAME/TASK-PLOT.pdf.")] = Path("plots"),
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
) -> int:
    """Draw the plots of experiments and searches anew, as vector files for a paper or larger for slides.

    Of several experiments also the comparison of their scores. Runs that have ended are enough.
    """
    places = [results_of(name, store=store, context=context, namespace=namespace) for name in dict.fromkeys(names)]
    count = 0
    for name, picture in pictures_of(places, look):
        if picture.note:
            note(f"{name}: {picture.note}")
        for suffix, content in picture.files.items():
            _write(to / name / f"{picture.file}.{suffix}", content)
            count += 1
    note(f"{count} files in {to}")
    return Exit.OK


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ClientError(f"{path} cannot be written: {error.strerror}", "Choose another folder with --to.") from error
