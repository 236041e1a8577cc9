"""`download`: the best models, predictions and tables as a folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from finetune_cli.commands.common import Context, ExperimentName, Namespace, StoreUri
from finetune_cli.output import error_console, note
from finetune_client.downloading import Wanted, below, scratch_of, single, size_of
from finetune_client.downloading import download as fetch
from finetune_client.errors import UsageError
from finetune_client.event_files import event_files
from finetune_client.exits import Exit
from finetune_client.reports import layout_of, whole_report
from finetune_client.stores import Results, results_of
from finetune_core.results.schema import BestPointer
from finetune_kube.kinds import EXPERIMENT
from finetune_store.signs import renewing

_LOOK_SECONDS = 0.2

TaskOption = Annotated[list[str] | None, typer.Option("--task", help="Of this task alone; may be repeated.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(download)


def download(
    name: ExperimentName,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write to. Default: ./NAME")] = None,
    task: TaskOption = None,
    models: Annotated[bool, typer.Option(help="The best models, as from_pretrained opens them.")] = True,
    predictions: Annotated[bool, typer.Option(help="The best runs' predicted test sets.")] = True,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Every run's event files: NAME/tensorboard.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
) -> int:
    """Download the best models and predictions, and the tables: NAME/models/TASK, NAME/predictions.

    The folder has all files or none: what was interrupted leaves nothing.
    """
    place = results_of(name, store=store, context=context, namespace=namespace, kinds=(EXPERIMENT,))
    wanted = list(_wanted(place, task, models=models, predictions=predictions))
    if tensorboard:
        wanted += _event_files(place, task)
    folder = to or Path(place.name)
    with scratch_of(folder) as scratch, _bar(scratch, sum(one.size for one in wanted)):
        fetch(place.store, wanted, folder, scratch)
    note(f"{len(wanted)} files in {folder}")
    return Exit.OK


def _wanted(place: Results, tasks: list[str] | None, *, models: bool, predictions: bool) -> Iterator[Wanted]:
    document = whole_report(place)
    pointers = {row.task: row.best for row in document.tasks if row.best is not None}
    if unknown := set(tasks or ()) - pointers.keys():
        raise UsageError(f"no best run of {', '.join(sorted(unknown))}", f"There is one of {', '.join(pointers)}.")
    for task, pointer in pointers.items():
        if not tasks or task in tasks:
            yield from _model(place, pointer) if models else ()
            yield from _predictions(place, pointer) if predictions else ()
    for file in sorted(document.files):
        if "/" not in file:
            yield single(place.store, f"{layout_of(place).root}/{file}", file)


def _model(place: Results, pointer: BestPointer) -> list[Wanted]:
    if not pointer.model:
        note(f"{pointer.task}: no weights are kept (spec.retention.models)")
        return []
    return below(place.store, f"{layout_of(place).root}/{pointer.model}", f"models/{pointer.task}")


def _predictions(place: Results, pointer: BestPointer) -> Iterator[Wanted]:
    for key in pointer.predictions.values():
        file = key.removeprefix("best/predictions/")
        yield single(place.store, f"{layout_of(place).root}/{key}", f"predictions/{file}")


def _event_files(place: Results, tasks: list[str] | None) -> list[Wanted]:
    found = list(event_files(place.store, layout_of(place), frozenset(tasks) if tasks else None))
    if not found:
        note("no event files: they are written where spec.tracking.reportTo has tensorboard")
    return found


@contextmanager
def _bar(scratch: Path, total: int) -> Iterator[None]:
    """A bar of the bytes that are there, where a person looks."""
    if not sys.stderr.isatty():
        yield
        return
    bar = Progress(
        TextColumn("downloading"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=error_console(),
        transient=True,
    )
    with bar:
        shown = bar.add_task("", total=total)
        with renewing(lambda: bar.update(shown, completed=size_of(scratch)), every=_LOOK_SECONDS, name="progress bar"):
            yield
