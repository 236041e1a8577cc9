"""`finetune-trainer`: `run` does the runs of a completion index, `resolve` digests folders on volumes,
`search` drives a hyperparameter search, `drive` an experiment on a Ray cluster, `drain` ends a pod of such a cluster,
`inspect` tells what a run would refuse, `prune` makes a sparse checkpoint.
"""

import argparse
import json
import logging
import os
import sys
import uuid
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from finetune_core.planning.plan import JobPlan
from finetune_core.results.run import ExitCode, FailureReason
from finetune_core.tasks.sparse import SPARSE_TYPES
from finetune_store import POD_RETRY_SECONDS, S3Connection, StoreError, open_store
from finetune_store.signs import signs_of_life
from finetune_trainer import logs
from finetune_trainer.errors import RunError, UserError
from finetune_trainer.job_plan import PodJob, read_plan

logger = logging.getLogger(__name__)

_LOOKING_SECONDS = 30.0
"""How long a store that is down is waited for where a person waits for the answer."""


def main(argv: list[str] | None = None) -> int:
    """Run a command; see ExitCode for what the result means."""
    arguments = _parse(argv)
    logs.configure(os.environ.get("FINETUNE_LOG_FORMAT", "text"))
    try:
        return _COMMANDS[arguments.command](arguments)
    except RunError as error:
        _explain(arguments.termination_log, error.reason, str(error))
        return error.exit_code
    except StoreError as error:
        _explain(arguments.termination_log, FailureReason.STORE, str(error))
        return ExitCode.STORE if error.mendable else ExitCode.USER_ERROR


def _parse(argv: list[str] | None) -> argparse.Namespace:
    env = os.environ
    parser = argparse.ArgumentParser(prog="finetune-trainer", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--store", default=env.get("FINETUNE_STORE"), help="s3://bucket/prefix or file:///folder")
    common.add_argument(
        "--termination-log", type=Path, default=Path(env.get("FINETUNE_TERMINATION_LOG", "/dev/termination-log"))
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", parents=[common], help="do the runs of a completion index")
    run.add_argument("--plan", type=Path, required=True, help="plan.json of a Job")
    run.add_argument("--index", type=int, default=int(env.get("JOB_COMPLETION_INDEX", "0")))
    run.add_argument("--attempt", default=env.get("FINETUNE_ATTEMPT") or uuid.uuid4().hex)
    resolve = commands.add_parser("resolve", parents=[common], help="digest folders on volumes")
    resolve.add_argument("--uri", action="append", required=True, help="pvc://claim/path or file:///path")
    resolve.add_argument("--output", required=True, help="key in the store")
    resolve.add_argument("--sign", help="key in the store of an object that is written anew while the work goes on")
    search = commands.add_parser("search", parents=[common], help="drive a hyperparameter search")
    search.add_argument("--plan", type=Path, required=True, help="plan.json of a search's Job")
    search.add_argument("--index", type=int, default=int(env.get("JOB_COMPLETION_INDEX", "0")))
    search.add_argument("--cluster", type=int, help="all units of this cluster, one after another")
    search.add_argument("--ray", action="store_true", help="on the Ray cluster that this process runs on")
    search.add_argument("--report-key", help="key in the store of what the driver has done")
    drive = commands.add_parser("drive", parents=[common], help="do all runs of a plan on this Ray cluster, or --local")
    drive.add_argument("--plan", type=Path, required=True, help="plan.json of a RayJob")
    drive.add_argument("--local", action="store_true", help="by processes of this machine, without Ray")
    drive.add_argument("--workers", type=int, help="with --local: runs at a time; default: one a GPU, or one")
    drive.add_argument("--report-key", help="key in the store of what the driver has done")
    commands.add_parser("drain", parents=[common], help="have the runs of this pod save their state, and wait for it")
    inspect = commands.add_parser("inspect", parents=[common], help="tell what runs would refuse in model and data")
    inspect.add_argument("--inspection", type=Path, required=True, help="JSON: a model and tasks, pinned")
    inspect.add_argument("--report", type=Path, required=True, help="JSON: where what is found is written")
    prune = commands.add_parser(
        "prune", parents=[common], help="make a sparse checkpoint of a dense BERT, by magnitude"
    )
    prune.add_argument("--model", required=True, help="folder, hf://org/name, s3://bucket/path or file:///path")
    prune.add_argument("--type", required=True, choices=sorted(SPARSE_TYPES), help="which weights become sparse")
    prune.add_argument("--sparsity", type=float, required=True, help="share of zeros, as 0.85")
    prune.add_argument("--output", required=True, help="folder, s3://bucket/path or file:///path, where nothing is yet")
    arguments = parser.parse_args(argv)
    if not arguments.store and arguments.command not in _WITHOUT_STORE:
        parser.error("no store: give --store or set FINETUNE_STORE")
    return arguments


def _run(arguments: argparse.Namespace) -> int:
    from finetune_trainer.signals import StopFlag  # noqa: PLC0415

    stop = StopFlag()
    stop.install()
    plan = read_plan(arguments.plan, JobPlan, "Job plan")
    try:
        runs = plan.runs_at(arguments.index)
    except (IndexError, KeyError) as error:
        raise UserError(f"the plan has no index {arguments.index}: it has {len(plan.indexes)}") from error
    from finetune_trainer.stored.taking import all_taken, is_held, unbegun_first  # noqa: PLC0415 - after signals are heeded

    connection = S3Connection.from_env(os.environ)
    store = open_store(arguments.store, connection=connection, retry_seconds=POD_RETRY_SECONDS)
    taken = all_taken(plan, runs, store, attempt=arguments.attempt, patience=POD_RETRY_SECONDS)
    if taken or is_held(store, plan.plan):
        return ExitCode.SUCCESS
    runs = unbegun_first(plan.plan, runs, store)
    job = PodJob(plan, runs, arguments.store, connection, arguments.attempt, stop, arguments.termination_log)
    from finetune_trainer.drive.crews import processes_per_run  # noqa: PLC0415

    if (processes := processes_per_run()) > 1:
        from finetune_trainer.drive.crew_runs import run_by_crew  # noqa: PLC0415

        return run_by_crew(job, processes)
    from finetune_trainer.drive.pod_runs import run_at_once, runs_at_once  # noqa: PLC0415

    if len(runs) > 1 and (at_once := runs_at_once()) > 1:
        return run_at_once(job, at_once)
    return _run_alone(job)


def _run_alone(job: PodJob) -> int:
    from finetune_trainer.pod import make_pod  # noqa: PLC0415 - imports torch
    from finetune_trainer.run.endings import run_all  # noqa: PLC0415
    from finetune_trainer.run.session import do_run  # noqa: PLC0415

    pod = make_pod(
        job.plan.plan, job.plan.limits, store=job.store, attempt=job.attempt, stop=job.stop, patience=job.patience
    )
    code = run_all(job.runs, partial(do_run, pod), job.termination_log)
    pod.trackers.leave(code)
    return code


def _resolve(arguments: argparse.Namespace) -> int:
    from finetune_trainer.resolve import resolve  # noqa: PLC0415

    opened = partial(open_store, arguments.store, connection=S3Connection.from_env(os.environ))
    store = opened(retry_seconds=POD_RETRY_SECONDS)
    with signs_of_life(opened(retry_seconds=0), arguments.sign) if arguments.sign else nullcontext():
        found = {uri: resolve(uri) for uri in arguments.uri}
        store.put(arguments.output, json.dumps(found).encode())
    return ExitCode.SUCCESS


def _search(arguments: argparse.Namespace) -> int:
    from finetune_trainer.search.command import search  # noqa: PLC0415

    return search(arguments, connection=S3Connection.from_env(os.environ), patience=POD_RETRY_SECONDS)


def _drive(arguments: argparse.Namespace) -> int:
    from finetune_trainer.drive.command import drive  # noqa: PLC0415

    plan = read_plan(arguments.plan, JobPlan, "Job plan")
    return drive(plan, arguments, connection=S3Connection.from_env(os.environ), patience=POD_RETRY_SECONDS)


def _drain(_: argparse.Namespace) -> int:
    from finetune_trainer.drain import drain  # noqa: PLC0415

    drain()
    return ExitCode.SUCCESS


def _inspect(arguments: argparse.Namespace) -> int:
    from finetune_trainer.inspecting import write_report  # noqa: PLC0415

    write_report(arguments, connection=S3Connection.from_env(os.environ), patience=_LOOKING_SECONDS)
    return ExitCode.SUCCESS


def _prune(arguments: argparse.Namespace) -> int:
    from finetune_trainer.sparse.command import prune  # noqa: PLC0415

    return prune(arguments, connection=S3Connection.from_env(os.environ), patience=POD_RETRY_SECONDS)


_COMMANDS = {
    "run": _run,
    "resolve": _resolve,
    "search": _search,
    "drive": _drive,
    "drain": _drain,
    "inspect": _inspect,
    "prune": _prune,
}
_WITHOUT_STORE = {"prune"}


def _explain(termination_log: Path, reason: FailureReason, message: str) -> None:
    logger.error("%s", message)
    if termination_log.exists():
        termination_log.write_text(json.dumps({"reason": reason.value, "message": message[:2000]}))


if __name__ == "__main__":
    sys.exit(main())
