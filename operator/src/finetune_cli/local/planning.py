"""From a manifest to its plan in the store, as the operator would make it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from finetune_client.finding import checked_namespace
from finetune_core.api import ExperimentSpec, Tracking
from finetune_core.deciding.experiment.decision import execution_limits
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.devices import runs_at_once
from finetune_core.planning.experiment import plan_warnings
from finetune_core.planning.inputs import Folder
from finetune_core.planning.parse import AnySpec, check_spec, parse_spec
from finetune_core.planning.plan import ExecutionLimits, JobPlan, Plan, pin_key
from finetune_core.planning.pods import job_plan
from finetune_core.planning.search.build import search_pin_key
from finetune_core.planning.search.parse import check_search, parse_search, search_warnings
from finetune_core.planning.search.plan import SearchJobPlan, SearchPlan
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.search_layout import SearchLayout
from finetune_store import S3Connection, Store, bounded_pool, open_store
from finetune_work.plans import add_runs, experiment_plan, search_plan
from finetune_work.sources import FolderSources
from finetune_work.tuned import NamespaceReader, TunedReader

HERE = "this machine"
"""Stands for the object's uid: inputs are looked at once for a spec, and again when it changes."""


@dataclass(frozen=True)
class Manifest:
    """An experiment or search as it was written, and where its results go."""

    namespace: str
    name: str
    spec: Mapping[str, Any]

    @classmethod
    def of(cls, value: Mapping[str, Any], namespace: str | None) -> "Manifest":
        """From a manifest that was found to be right; `namespace` goes before its own. UsageError."""
        metadata = value["metadata"]
        where = checked_namespace(namespace or metadata.get("namespace") or "default")
        return cls(where, metadata["name"], value["spec"])

    def with_inputs(self, model: str | None, data: str | None) -> "Manifest":
        """With a model or data from elsewhere: a URI, or a folder of this machine."""
        spec = dict(self.spec)
        if model:
            spec["model"] = {**spec.get("model", {}), "uri": as_uri(model)}
        if data:
            spec["data"] = {**spec.get("data", {}), "uri": as_uri(data)}
        return replace(self, spec=spec)


def as_uri(text: str) -> str:
    """A URI as it is; anything else is a path."""
    return text if "://" in text else Path(text).expanduser().resolve().as_uri()


@dataclass(frozen=True)
class Planned:
    """A plan, the runs of it that have no result yet, what is probably not meant, and the trackers to report to.

    `processes` do a run together, and a GPU, or this machine, does `at_once`.
    """

    plan: Plan
    job: JobPlan
    warnings: tuple[str, ...]
    tracking: Tracking | None
    processes: int = 1
    at_once: int = 1


@dataclass(frozen=True)
class PlannedSearch:
    """A search's plan, the limits of its runs, and what is probably not meant."""

    plan: SearchPlan
    limits: ExecutionLimits
    warnings: tuple[str, ...]

    def job(self, task: str, trials: int) -> SearchJobPlan:
        """What a driver does that searches on one task, with so many trials at a time."""
        return SearchJobPlan(plan=self.plan, units=((task, 0),), limits=self.limits, concurrent_trials=trials)


def plan_locally(manifest: Manifest, store: Store, connection: S3Connection) -> Planned:
    """Pin the inputs, write the plan. InvalidInputError lists all that cannot be used; NotYetError, StoreError.

    Tuned values are read once for a source, as in a cluster.
    """
    spec = parse_spec(manifest.spec)
    _require(check_spec(spec, in_cluster=False))
    opener = _opener(connection)
    plan = experiment_plan(
        spec,
        ExperimentLayout(manifest.namespace, manifest.name),
        store,
        pin=pin_key(spec, HERE),
        sources=_sources(opener),
        read_tuned=TunedReader(_no_cluster, opener).read,
    )
    pending = frozenset(run.run_id for run in plan.runs) - finished(store, plan)
    job = job_plan(plan, pending, runs_per_pod=1, limits=execution_limits(spec.execution))
    processes = spec.execution.processes_per_run or 1
    warnings = (*_unkept(spec), *plan_warnings(spec, plan))
    return Planned(plan, job, warnings, spec.tracking, processes, at_once=runs_at_once(spec.execution))


def plan_more_locally(
    manifest: Manifest, plan: Plan, runs: Mapping[str, int], store: Store, connection: S3Connection
) -> Planned:
    """Write the plan where tasks (by name) have so many runs; see `plan_locally`. Inputs stay as they were pinned."""
    add_runs(parse_spec(manifest.spec), plan, runs, store)
    return plan_locally(manifest, store, connection)


def plan_search_locally(manifest: Manifest, store: Store, connection: S3Connection) -> PlannedSearch:
    """Pin the inputs, write the plan. InvalidInputError lists all that cannot be used; NotYetError, StoreError.

    A changed spec is refused where its trials could not be compared with those there are, as in a cluster.
    """
    spec = parse_search(manifest.spec)
    _require(check_search(spec, in_cluster=False))
    plan = search_plan(
        spec,
        SearchLayout(manifest.namespace, manifest.name),
        store,
        pin=search_pin_key(spec, HERE),
        sources=_sources(_opener(connection)),
    )
    return PlannedSearch(plan, execution_limits(spec.execution), (*_unkept(spec), *search_warnings(spec)))


def finished(store: Store, plan: Plan) -> frozenset[str]:
    """The runs that have their result."""
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    keys = {info.key for info in store.list(layout.runs)}
    return frozenset(run.run_id for run in plan.runs if layout.run(run.task, run.run_id).result in keys)


def _require(problems: tuple[Problem, ...]) -> None:
    if problems:
        raise InvalidInputError(problems)


def _opener(connection: S3Connection) -> Callable[[str], Store]:
    return partial(open_store, connection=connection)


def _sources(opener: Callable[[str], Store]) -> FolderSources:
    return FolderSources(open_uri=opener, http=bounded_pool(), volume=_no_volume, advice=_advice)


def _advice(kind: str) -> str:
    return f" (to use a folder of this machine: {_option(kind)} FOLDER)"


def _option(kind: str) -> str:
    return "--model" if kind == "model" else "--data"


def _no_volume(uri: str, field: str) -> Folder:
    option = _option("model" if field == "spec.model.uri" else "dataset")
    message = f"{uri} is a volume of a cluster: name a copy of it on this machine with {option} FOLDER"
    raise InvalidInputError((Problem(field, message),))


def _no_cluster() -> NamespaceReader:
    message = (
        "hpSearchRef and configMapRef are objects of a cluster: use uri with the folder that a search exported, "
        "file:///<store>/<namespace>/<search>/hps"
    )
    raise InvalidInputError((Problem("spec.hyperparametersFrom", message),))


def _unkept(spec: AnySpec) -> tuple[str, ...]:
    """What only an operator keeps to."""
    budget = "spec.budget is kept in a cluster only: here everything is done"
    notifications = "spec.notifications are sent by the operator only: here nobody is told"
    publish = "spec.publish is done in a cluster only: finetune publish does it here"
    told = (budget,) * (spec.budget is not None) + (notifications,) * bool(spec.notifications)
    return told + (publish,) * (isinstance(spec, ExperimentSpec) and bool(spec.publish))
