"""A published run done again on this machine, from its provenance alone."""

import shutil
import sys
import tempfile
from collections.abc import Collection
from contextlib import redirect_stdout
from pathlib import Path

from finetune_cli.local.lock import exclusive
from finetune_cli.local.planning import Planned
from finetune_cli.local.programs import Programs, log_file, require_trainer
from finetune_cli.local.session import LocalRun
from finetune_client.errors import ClientError, RefusedError, UsageError
from finetune_core.api import ModelRetention
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.devices import PROCESSES
from finetune_core.planning.identity import content_digest
from finetune_core.planning.inputs import decisive_files
from finetune_core.planning.plan import ExecutionLimits, Plan, ResolvedData, ResolvedModel
from finetune_core.planning.pods import job_plan
from finetune_core.publishing.facts import Facts
from finetune_core.results.run import RunResult
from finetune_store import DirectoryStore, Store, open_store
from finetune_store.documents import find
from finetune_store.folders import list_folder

_ELSEWHERE = ("file://", "pvc://")
"""What names no place that this machine could know."""


def plan_again(facts: Facts, *, model: str | None, data: str | None) -> Plan:
    """The plan of the run, with model and data from folders of this machine where they are named.

    UsageError where it is not known where they are, RefusedError where a folder has other content. What is fetched from
    buckets and the hub the trainer compares.
    """
    task, base = facts.task, facts.plan.model
    decisive = decisive_files(task.definition, task.data.splits)
    there = {"uri": _place(task.data, data, "data", decisive)}
    changed = {
        "model": base.model_copy(update={"uri": _place(base, model, "model", None)}),
        "tasks": {facts.run.task: task.model_copy(update={"data": task.data.model_copy(update=there)})},
        "retention": ModelRetention.NONE,
        "leaderboard": None,
    }
    return facts.plan.model_copy(update=changed)


def _place(pinned: ResolvedModel | ResolvedData, given: str | None, what: str, decisive: Collection[str] | None) -> str:
    """Where model or data are; `decisive` are the files that its digest covers (default: all)."""
    if given is None and pinned.uri.startswith(_ELSEWHERE):
        raise UsageError(f"the {what} was at {pinned.uri}, on another machine", f"Name a copy: --{what} FOLDER.")
    if given is None:
        return pinned.uri
    folder = Path(given).expanduser().resolve()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {given}", f"--{what} names a folder of this machine.")
    files = list_folder(DirectoryStore(folder), "").files
    found = content_digest(file for file in files if decisive is None or file.path in decisive)
    if found != pinned.digest and pinned.pinned:
        raise RefusedError(
            f"{folder} is not the {what} of the run: its content is {found}, and was {pinned.digest}",
            f"Name a copy of what the run was trained with; without --{what} it is fetched from {pinned.uri}.",
        )
    return folder.as_uri()


def run_again(facts: Facts, plan: Plan) -> RunResult:
    """Do the run, showing how far it is; its result. ClientError where it has none, with its log."""
    require_trainer()
    work = Path(tempfile.mkdtemp(prefix="finetune-rerun-"))
    result = _run(plan, work, processes=int(facts.result.hardware.get("processes") or 1))
    shutil.rmtree(work)
    return result


def _run(plan: Plan, work: Path, *, processes: int) -> RunResult:
    uri = work.as_uri()
    store, layout = open_store(uri), ExperimentLayout(plan.namespace, plan.experiment)
    store.put(layout.plan, plan.to_bytes())
    job = job_plan(plan, frozenset({plan.runs[0].run_id}), runs_per_pod=1, limits=ExecutionLimits())
    log = log_file(uri, layout.root)
    with exclusive(uri, on_wait=_nobody_else) as lock, redirect_stdout(sys.stderr):
        programs = Programs(uri, log, lock, {PROCESSES: str(processes)})
        session = LocalRun(Planned(plan, job, (), None, processes), store, programs, None)
        went_on = session.runs()
    for about, failure in session.failures():
        raise ClientError(f"{about} failed: {failure.reason}: {failure.message}", f"See {log}.")
    return _result(store, plan, log, interrupted=not went_on)


def _nobody_else() -> None:
    """The folder is new: no other command holds its lock."""


def _result(store: Store, plan: Plan, log: Path, *, interrupted: bool) -> RunResult:
    run = plan.runs[0]
    key = ExperimentLayout(plan.namespace, plan.experiment).run(run.task, run.run_id).result
    found = None if interrupted else find(store, key, RunResult)
    if found is None:
        raise ClientError("the run was interrupted" if interrupted else "the run left no result", f"See {log}.")
    return found
