"""`delete`: an experiment or a search, gone from the cluster."""

import sys
from typing import Annotated

import typer

from finetune_cli.commands.common import AnyName, Context, Namespace
from finetune_cli.output import console, note
from finetune_client.errors import UsageError
from finetune_client.exits import Exit
from finetune_client.finding import cluster, find
from finetune_client.overview import overview
from finetune_kube.kinds import KINDS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(delete)


def delete(
    name: AnyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    namespace: Namespace = None,
    context: Context = None,
) -> int:
    """Delete an experiment or a search and its pods; what lies in the store stays.

    Applied again, it goes on from the store: runs that have a result are not repeated.
    """
    kube = cluster(context, namespace)
    kind, item = find(kube, name, KINDS)
    seen = overview(item)
    if not yes and not _agreed(f"{kind.kind} {seen.namespace}/{seen.name}", seen.running):
        note("Nothing was deleted.")
        return Exit.PROBLEMS
    kube.delete(kind, item)
    console().print(f"{kind.kind} {seen.namespace}/{seen.name} deleted")
    if seen.results:
        note(f"Its results stay: {seen.results}")
    return Exit.OK


def _agreed(what: str, running: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is at the terminal to be asked whether {what} is to be deleted", "Give --yes.")
    return typer.confirm(f"Delete {what}" + (f", {running} running" if running else "") + "?", err=True)
