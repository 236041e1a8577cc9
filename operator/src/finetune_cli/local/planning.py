"""From an experiment's manifest to its plan in the store, as the operator would make it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from finetune_cli.local.inputs import LocalSources
from finetune_cli.tuned import tuned_in_folder
from finetune_client.finding import checked_namespace
from finetune_core.decide import execution_limits
from finetune_core.hyperparameters import TunedTasks
from finetune_core.inputs import resolve_inputs
from finetune_core.layout import ExperimentLayout
from finetune_core.parse import check_spec, parse_spec
from finetune_core.plan import JobPlan, Plan, job_plan, pin_key
from finetune_core.planning import check_tuned, plan_experiment, plan_warnings
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.spec import HyperparametersFrom, Tracking
from finetune_store import NotFoundError, S3Connection, Store, open_store

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
    return text if "://" in text else f"file://{Path(text).expanduser().resolve()}"


@dataclass(frozen=True)
class Planned:
    """A plan, the runs of it that have no result yet, what is probably not meant, and the trackers to report to."""

    plan: Plan
    job: JobPlan
    warnings: tuple[str, ...]
    tracking: Tracking | None


def plan_locally(manifest: Manifest, store: Store, connection: S3Connection) -> Planned:
    """Pin the inputs, write the plan. InvalidInputError lists all that cannot be used; StoreError.

    Tuned values are read once for a source, as in a cluster.
    """
    spec = parse_spec(manifest.spec)
    problems = check_spec(spec, in_cluster=False)
    if problems:
        raise InvalidInputError(problems)
    layout = ExperimentLayout(manifest.namespace, manifest.name)
    old, pin = _stored(store, layout), pin_key(spec, HERE)
    plan = old
    if old is None or old.resolved_for != pin:
        tuned = _tuned(spec.hyperparameters_from, old, connection)
        inputs = resolve_inputs(spec, LocalSources(connection))
        problems = check_tuned(spec, tuned, inputs)
        if problems:
            raise InvalidInputError(problems)
        names = {"namespace": manifest.namespace, "name": manifest.name}
        plan = plan_experiment(spec, inputs, **names, resolved_for=pin, tuned=tuned)
        store.put(layout.plan, plan.to_bytes())
    assert plan is not None
    pending = frozenset(run.run_id for run in plan.runs) - finished(store, plan)
    job = job_plan(plan, pending, runs_per_pod=1, limits=execution_limits(spec.execution))
    return Planned(plan, job, plan_warnings(spec, plan), spec.tracking)


def finished(store: Store, plan: Plan) -> frozenset[str]:
    """The runs that have their result."""
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    keys = {info.key for info in store.list(layout.runs)}
    return frozenset(run.run_id for run in plan.runs if layout.run(run.task, run.run_id).result in keys)


def _stored(store: Store, layout: ExperimentLayout) -> Plan | None:
    try:
        return Plan.model_validate_json(store.get(layout.plan))
    except (NotFoundError, ValidationError):
        return None


def _tuned(source: HyperparametersFrom | None, old: Plan | None, connection: S3Connection) -> TunedTasks | None:
    if source is None:
        return None
    if old is not None and old.tuned is not None and old.tuned.source == source:
        return old.tuned
    if source.uri is None:
        message = (
            "hpSearchRef and configMapRef are objects of a cluster: use uri with the folder that a search exported, "
            "file:///<store>/<namespace>/<search>/hps"
        )
        raise InvalidInputError((Problem("spec.hyperparametersFrom", message),))
    return tuned_in_folder(source, open_store(source.uri, connection=connection))
