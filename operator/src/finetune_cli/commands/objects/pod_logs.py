"""`logs`: what the pods of an experiment or a search print."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from finetune_cli.commands.common import AnyName, Context, Namespace
from finetune_cli.output import note, write
from finetune_cli.shown.log_lines import LogLine, read_line
from finetune_client.errors import ClientError, NotFoundError, UsageError
from finetune_client.exits import Exit
from finetune_client.finding import cluster, find
from finetune_core.json_types import Json
from finetune_core.planning.plan import JobPlan
from finetune_kube.kinds import EXPERIMENT, Kind
from finetune_kube.names import INDEX_ANNOTATION, JOB_NAME_LABEL, children_of
from finetune_kube.ownership import is_owned_by, own_plan, plan_text

if TYPE_CHECKING:
    from finetune_client.kube.client import Kube

_MAX_FOLLOWED = 32
_lock = Lock()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(logs)


def logs(
    name: AnyName,
    task: Annotated[str | None, typer.Option(help="Of the runs of this task alone (experiments).")] = None,
    run: Annotated[int | None, typer.Option(min=0, help="Of this run of the task, counted from 0.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the pods end.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only so many last lines of each pod.")] = None,
    role: Annotated[str, typer.Option(help="train, report, resolve or publish.")] = "train",
    namespace: Namespace = None,
    context: Context = None,
) -> int:
    """Show the logs of the pods, newest last; lines of several pods begin with the pod's name.

    With --task (and --run) only that run's lines: a pod does several. A terminal shows them without what programs need.
    """
    if run is not None and task is None:
        raise UsageError("--run needs --task", "Give both: --task rte --run 0.")
    kube = cluster(context, namespace)
    kind, item = find(kube, name)
    if task is not None and kind is not EXPERIMENT:
        raise UsageError("--task is for experiments", "A search's pods work on all of their trials.")
    own, uid = item["metadata"]["name"], item["metadata"]["uid"]
    pods = _pods(kube, kind, own, role)
    if task is not None:
        jobs = [job for job in kube.jobs(children_of(own, kind, "train")) if is_owned_by(job, uid)]
        pods = _of_run(kube, uid, jobs, pods, task, run)
    if not pods:
        raise _nothing(own, role, task)
    _show(_Lines(kube, task, run, follow, tail), [pod["metadata"]["name"] for pod in pods])
    return Exit.OK


def _pods(kube: "Kube", kind: Kind, name: str, role: str) -> list[Json]:
    found = kube.pods(children_of(name, kind, role))
    return sorted(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))


def _of_run(
    kube: "Kube", uid: str, jobs: Iterable[Json], pods: Iterable[Json], task: str, run: int | None
) -> list[Json]:
    """The pods whose completion index does a run of the task, by the plans of their Jobs."""
    wanted = {(job["metadata"]["name"], str(index)) for job in jobs for index in _indexes(kube, uid, job, task, run)}
    return [pod for pod in pods if _place(pod) in wanted]


def _indexes(kube: "Kube", uid: str, job: Json, task: str, run: int | None) -> list[int]:
    config_map = own_plan(job, uid, kube.config_map)
    if config_map is None:
        return []
    try:
        plan = JobPlan.model_validate_json(plan_text(config_map))
    except ValidationError as error:
        message = f"the plan of Job {job['metadata']['name']} is of another version"
        raise ClientError(message, "Leave --task out, or use the finetune of the operator's version.") from error
    return [
        index
        for index in range(len(plan.indexes))
        if any(one.task == task and run in {None, one.run} for one in plan.runs_at(index))
    ]


def _place(pod: Json) -> tuple[str | None, str | None]:
    metadata = pod["metadata"]
    return (metadata.get("labels") or {}).get(JOB_NAME_LABEL), (metadata.get("annotations") or {}).get(INDEX_ANNOTATION)


@dataclass(frozen=True)
class _Lines:
    """Which lines are asked for; `tail` counts those."""

    kube: "Kube"
    task: str | None
    run: int | None
    follow: bool
    tail: int | None

    def of(self, pod: str) -> Iterator[LogLine]:
        """Those of a pod; ClientError."""
        if self.task is None:
            yield from map(read_line, self.kube.log(pod, follow=self.follow, tail=self.tail))
            return
        # The last lines of the pod may be of another run.
        lines = map(read_line, self.kube.log(pod, follow=self.follow))
        own = (line for line in lines if line.is_of(self.task, self.run))
        yield from own if self.tail is None or self.follow else deque(own, self.tail)


def _show(lines: _Lines, names: list[str]) -> None:
    if not lines.follow:
        for name in names:
            _print(lines, name, len(names) > 1)
        return
    if len(names) > _MAX_FOLLOWED:
        note(f"{len(names)} pods: the newest {_MAX_FOLLOWED} are followed; --task and --run choose.")
    followed = names[-_MAX_FOLLOWED:]
    with ThreadPoolExecutor(len(followed)) as threads:
        # list: an error of any of them is told.
        list(threads.map(lambda name: _print(lines, name, len(followed) > 1), followed))


def _print(lines: _Lines, pod: str, several: bool) -> None:
    silent = True
    readable = sys.stdout.isatty()
    try:
        for line in lines.of(pod):
            silent = False
            text = line.shown() if readable else line.raw
            with _lock:
                write(f"{pod}: {text}\n" if several else f"{text}\n")
                sys.stdout.flush()
    except ClientError as error:
        # A pod that has not started, or is gone by now, keeps the others' lines from nobody.
        note(f"{pod}: {error.message}")
    else:
        if silent:
            note(f"{pod}: has printed nothing yet" + ("" if lines.task is None else " about this run"))


def _nothing(name: str, role: str, task: str | None) -> NotFoundError:
    what = f" that does {task}" if task else ""
    return NotFoundError(
        f"{name} has no {role} pod{what} now",
        f"Finished pods go with their Job (execution.ttlSecondsAfterFinished). `finetune status {name}` shows where it "
        "is and why runs failed; each run's metrics.jsonl is in the store.",
    )
