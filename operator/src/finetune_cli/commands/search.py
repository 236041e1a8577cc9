"""`finetune search`: a hyperparameter search on this machine, without a cluster."""

import os
from typing import Annotated

import typer

from finetune_cli.commands.run import (
    DEFAULT_STORE,
    DataOption,
    ModelOption,
    NamespaceOption,
    StoreOption,
    prove,
    read_manifest,
    say_waiting,
)
from finetune_cli.local.lock import exclusive
from finetune_cli.local.planning import as_uri, plan_search_locally
from finetune_cli.local.programs import Programs, log_file, require_trainer
from finetune_cli.local.searching import LocalSearch
from finetune_cli.output import console, note, write
from finetune_client.exits import Exit
from finetune_store import S3Connection, open_store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(search)


def search(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Manifest of an HPSearch; - is stdin.")],
    store: StoreOption = DEFAULT_STORE,
    namespace: NamespaceOption = None,
    model: ModelOption = None,
    data: DataOption = None,
    trials: Annotated[int, typer.Option("--workers", "-w", min=1, help="Trials at a time.")] = 1,
) -> int:
    """Search hyperparameters on this machine, without a cluster, into a folder or a bucket.

    Interrupted, in whatever way, it is begun anew by the same command; trials that have ended are not repeated. An
    experiment uses the result by hyperparametersFrom: {uri: .../hps}.
    """
    require_trainer()
    manifest = read_manifest(file, "HPSearch", namespace).with_inputs(model, data)
    connection = S3Connection.from_env(os.environ)
    uri = as_uri(store)
    opened = open_store(uri, connection=connection, retry_seconds=60)
    prove(opened, manifest.namespace)
    root = f"{manifest.namespace}/{manifest.name}"
    with exclusive(f"{uri} {root}", on_wait=say_waiting) as lock:
        planned = plan_search_locally(manifest, opened, connection)
        for warning in planned.warnings:
            note(f"warning: {warning}")
        session = LocalSearch(planned, opened, Programs(uri, log_file(uri, root), lock), trials)
        if not session.search():
            note("interrupted; the same command goes on from here")
            return Exit.INTERRUPTED
        session.report()
        write(f"{session.summary()}\n")
        console().print(f"results: {opened.uri(root)}", soft_wrap=True)
        console().print(f"best hyperparameters: {opened.uri(root)}/hps", soft_wrap=True)
    return Exit.OK
