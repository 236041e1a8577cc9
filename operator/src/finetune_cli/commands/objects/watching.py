"""`status` and `watch`: where experiments and searches are."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from finetune_cli.commands.common import Context, Namespace, any_names
from finetune_cli.output import Output, OutputOption, console, emit, note
from finetune_cli.shown.objects import object_list, page, progress_line
from finetune_client.exits import Exit
from finetune_client.finding import cluster, find
from finetune_client.overview import overview
from finetune_core.json_types import Json
from finetune_kube.kinds import KINDS

if TYPE_CHECKING:
    from finetune_client.kube.client import Kube

OptionalName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="An experiment or a search. Default: all.", autocompletion=any_names),
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
Interval = Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between looks.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(status)
    app.command()(watch)


def status(
    name: OptionalName = None,
    namespace: Namespace = None,
    context: Context = None,
    everywhere: Everywhere = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Where experiments and searches are: a list, or all that is known of one."""
    kube = cluster(context, namespace)
    now = datetime.now(UTC)
    items = [find(kube, name)[1]] if name else _all(kube, everywhere)
    if not output.for_people:
        emit(items[0] if name else items, output)
    elif name:
        console().print(page(overview(items[0]), now, wide=output == Output.WIDE))
    elif items:
        seen = map(overview, items)
        console().print(object_list(seen, now, with_namespace=everywhere, wide=output == Output.WIDE))
    else:
        where = "any namespace" if everywhere else f"namespace {kube.namespace}"
        note(f"No experiments and no searches in {where}. Start one: finetune submit FILE; look elsewhere: -n, -A.")
    return Exit.OK


def watch(
    name: OptionalName = None, namespace: Namespace = None, context: Context = None, interval: Interval = 2
) -> int:
    """Watch one until it has ended (exits with 0 if well, 1 if not), or the list until Ctrl-C."""
    kube = cluster(context, namespace)
    if name:
        return follow(kube, name, interval)
    with Live(console=console(), auto_refresh=False) as live:
        while True:
            live.update(object_list(map(overview, _all(kube, False)), datetime.now(UTC)), refresh=True)
            time.sleep(interval)


def follow(kube: "Kube", name: str, interval: float) -> int:
    """Show one until it has ended; the exit code says how. Where no person looks, one line a change."""
    out = console()
    said = ""
    with Live(console=out, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            seen = overview(find(kube, name)[1])
            if out.is_terminal:
                live.update(page(seen, datetime.now(UTC)), refresh=True)
            elif (line := progress_line(seen)) != said:
                said = line
                out.print(line, markup=False, soft_wrap=True)
            if seen.ended is not None:
                break
            time.sleep(interval)
    if not out.is_terminal:
        out.print(page(seen, datetime.now(UTC)))
    return Exit.OK if seen.ended else Exit.PROBLEMS


def _all(kube: "Kube", everywhere: bool) -> list[Json]:
    # The items of a list of custom resources carry their kind.
    found = [item for kind in KINDS for item in kube.objects(kind, everywhere=everywhere)]
    return sorted(found, key=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"]))
