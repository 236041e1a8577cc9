"""`finetune run`: an experiment on this machine, without a cluster."""

import os
from typing import Annotated

import typer

from finetune_cli.local.lock import exclusive
from finetune_cli.local.planning import Manifest, as_uri, plan_locally, plan_more_locally
from finetune_cli.local.programs import Programs, log_file, require_trainer
from finetune_cli.local.session import LocalRun
from finetune_cli.manifest.check import check_text, manifests_of
from finetune_cli.manifest.files import read_text
from finetune_cli.manifest.findings import Severity
from finetune_cli.output import console, error_console, note
from finetune_cli.shown.results import results_page
from finetune_client.errors import ClientError, UsageError
from finetune_client.exits import Exit
from finetune_core.planning.devices import PROCESSES, RUNS_AT_ONCE
from finetune_core.tracking import to_env
from finetune_store import S3Connection, Store, creates_once, open_store
from finetune_work.guarantees import unsafe_storage

DEFAULT_STORE = "finetune-results"

StoreOption = Annotated[
    str,
    typer.Option("--store", envvar="FINETUNE_STORE", help="Where results go: a folder, file:// or s3://bucket/prefix."),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Folder of the results, as in a cluster. Default: the manifest's."),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Another model: a folder or URI.")]
DataOption = Annotated[str | None, typer.Option("--data", help="Other data: a folder or URI.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", "-w", min=1, help="Runs at a time. Default: one a GPU, or one.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Manifest of a FinetuneExperiment; - is stdin.")],
    store: StoreOption = DEFAULT_STORE,
    namespace: NamespaceOption = None,
    model: ModelOption = None,
    data: DataOption = None,
    workers: WorkersOption = None,
) -> int:
    """Run an experiment on this machine, without a cluster: the same runs, results and zip, in a folder or a bucket.

    Interrupted, in whatever way, it is begun anew by the same command: what has a result is not repeated, what was
    running goes on from its last checkpoint. Exits with 0 when every run has its result, 1 when some failed, 130 when
    it was interrupted.
    """
    require_trainer()
    manifest = read_manifest(file, "FinetuneExperiment", namespace).with_inputs(model, data)
    connection = S3Connection.from_env(os.environ)
    uri = as_uri(store)
    opened = open_store(uri, connection=connection, retry_seconds=60)
    prove(opened, manifest.namespace)
    with exclusive(f"{uri} {manifest.namespace}/{manifest.name}", on_wait=say_waiting) as lock:
        planned = plan_locally(manifest, opened, connection)
        for warning in planned.warnings:
            note(f"warning: {warning}")
        log = log_file(uri, f"{manifest.namespace}/{manifest.name}")
        told = {PROCESSES: str(planned.processes), RUNS_AT_ONCE: str(planned.at_once)}
        environment = {**to_env(planned.tracking), **told}
        programs = Programs(uri, log, lock, environment)
        session = LocalRun(planned, opened, programs, workers)
        while (whole := session.runs()) and (wanted := session.wanted()):
            note(
                "not sure enough (runsUntil): " + ", ".join(f"{task} is to have {n} runs" for task, n in wanted.items())
            )
            planned = plan_more_locally(manifest, planned.plan, wanted, opened, connection)
            session = LocalRun(planned, opened, programs, workers)
        if not whole:
            note("interrupted; the same command goes on from here")
            return Exit.INTERRUPTED
        session.report()
        return _shown(session, f"-n {manifest.namespace} --store {store}", manifest.name)


def read_manifest(file: str, kind: str, namespace: str | None) -> Manifest:
    """The one manifest of a kind in a file; what is wrong with it is printed first."""
    text, problem = read_text(file)
    if problem:
        raise UsageError(f"{file}: {problem}")
    findings = [one for one in check_text(file, text, in_cluster=False) if one.severity == Severity.ERROR]
    for one in findings:
        error_console().print(str(one), markup=False)
    if findings:
        raise ClientError(f"{file} has {len(findings)} problems", "correct them; nothing was run")
    found = [value for value in manifests_of(text) if value["kind"] == kind]
    if len(found) != 1:
        raise UsageError(f"{file} holds {len(found)} objects of kind {kind}; this command takes one")
    return Manifest.of(found[0], namespace)


def prove(store: Store, namespace: str) -> None:
    """Find out by doing it that the store can be used, and say what it lacks. StoreError."""
    store.check(namespace)
    if not creates_once(store, namespace):
        note(f"warning: {unsafe_storage(store.uri())}")


def say_waiting() -> None:
    """Another process holds the lock."""
    note("another command is at this experiment, or is saving its state: waiting for it")


def _shown(session: LocalRun, where: str, name: str) -> int:
    """Print the table, where everything lies, and what to open next; the command's exit code."""
    for about, failure in session.failures():
        error_console().print(f"{about} failed: {failure.reason}: {failure.message}", markup=False)
    for warning in session.warnings():
        note(f"warning: {warning}")
    out = console()
    out.print(results_page(session.document()))
    out.print()
    for what, line in (session.places() | next_steps(where, name)).items():
        out.print(f"{what}: {line}", soft_wrap=True)
    return Exit.PROBLEMS if session.failures() else Exit.OK


def next_steps(where: str, name: str) -> dict[str, str]:
    """What to open next, by what it shows; `where` are the options that say where the results lie."""
    return {
        "learning curves": f"finetune ui --store {where.rpartition(' ')[2]}",
        "best models as a folder": f"finetune download {name} {where}",
    }
