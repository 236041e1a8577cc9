"""What the manifests of `tests/corpus` are planned as, made-up digests in place of real models and data."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from finetune_core.api import Algorithm, ExperimentSpec, HPSearchSpec
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.deciding.experiment.decision import execution_limits
from finetune_core.planning.experiment import check_tuned, plan_experiment, plan_warnings
from finetune_core.planning.identity import FileEntry
from finetune_core.planning.inputs import Folder, resolve_inputs
from finetune_core.planning.parse import check_spec, parse_spec
from finetune_core.planning.plan import Plan, pin_key
from finetune_core.planning.pods import plan_pods
from finetune_core.planning.search.build import make_search_plan, search_pin_key
from finetune_core.planning.search.parse import check_search, parse_search, search_warnings
from finetune_core.planning.search.plan import SearchJobPlan, SearchPlan
from finetune_core.planning.search.space import configuration
from finetune_core.planning.tuned import TunedTasks, from_config_map, from_search
from finetune_core.tasks.registry import GLUE_TASKS

CORPUS = Path(__file__).parents[1] / "corpus"
UID = "00000000-0000-4000-8000-000000000000"
_OWN_FILES = ("train.csv", "dev.csv", "test.csv", "essays/train.jsonl", "essays/dev.jsonl")
_TPE_CONFIG: dict[str, Any] = {"learningRate": 2e-5, "maxSteps": 500}
"""TPE's configurations depend on results; any one shows how ids are made."""


class MadeUpFolders:
    """Every folder has a model's files, or those of all tasks; each file's digest is its path's."""

    def look(self, uri: str, *, field: str, kind: str) -> Folder:
        if uri.startswith("hf://"):
            return Folder(commit=hashlib.sha1(uri.encode(), usedforsecurity=False).hexdigest())
        names = ("config.json", "model.safetensors") if kind == "model" else tuple(_data_files(uri))
        return Folder(
            files=tuple(
                FileEntry(name, hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), len(name))
                for name in names
            )
        )


def documents(name: str) -> list[dict[str, Any]]:
    """The documents of a file of manifests."""
    return list(yaml.safe_load_all((CORPUS / "manifests" / name).read_text(encoding="utf-8")))


def plan_files() -> Iterator[tuple[str, bytes]]:
    """(path below `tests/corpus`, content) of all that is planned."""
    for document in documents("experiments.yaml"):
        yield from experiment_files(document)
    for document in documents("searches.yaml"):
        yield from search_files(document)
    yield "plans/arguments.jsonl", _lines(argument_lines())


def experiment_plan(document: dict[str, Any]) -> tuple[ExperimentSpec, Plan]:
    """A manifest's spec and plan; AssertionError if anything is wrong with it."""
    spec = parse_spec(document["spec"])
    tuned = _tuned(spec, document.get("tuned"))
    assert check_spec(spec, tuned=tuned.layers if tuned else None) == ()
    inputs = resolve_inputs(spec, MadeUpFolders())
    assert check_tuned(spec, tuned, inputs) == ()
    name, pinned = document["name"], pin_key(spec, UID)
    return spec, plan_experiment(spec, inputs, namespace="team", name=name, resolved_for=pinned, tuned=tuned)


def experiment_files(document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """plan.json, and what is made from it."""
    spec, plan = experiment_plan(document)
    ids = frozenset(run.run_id for run in plan.runs)
    execution = spec.execution
    job = plan_pods(plan, ids, execution, limits=execution_limits(execution))
    facts = {
        "digest": plan.digest,
        "workDigest": plan.work_digest,
        "warnings": plan_warnings(spec, plan),
        "jobPlan": {"sha256": hashlib.sha256(job.to_bytes()).hexdigest(), "indexes": job.indexes},
    }
    yield f"plans/{document['name']}.json", plan.to_bytes() + b"\n"
    yield f"plans/{document['name']}.facts.json", _pretty(facts)


def search_plan_of(document: dict[str, Any]) -> tuple[HPSearchSpec, SearchPlan]:
    """A manifest's spec and plan; AssertionError if anything is wrong with it."""
    spec = parse_search(document["spec"])
    assert check_search(spec) == ()
    inputs = resolve_inputs(spec, MadeUpFolders())
    pinned = search_pin_key(spec, UID)
    return spec, make_search_plan(
        spec, namespace="team", name=document["name"], model=inputs.model, data=inputs.data, resolved_for=pinned
    )


def search_files(document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """search.json, what is made from it, and a line for each trial of the first ones of each task."""
    spec, plan = search_plan_of(document)
    units = tuple((task, cluster) for task in plan.order for cluster in range(spec.clusters))
    job = SearchJobPlan(
        plan=plan, units=units, limits=execution_limits(spec.execution), concurrent_trials=spec.concurrent_trials
    )
    facts = {
        "digest": plan.digest,
        "warnings": search_warnings(spec),
        "jobPlanSha256": hashlib.sha256(job.to_bytes()).hexdigest(),
        "finalistSeeds": {task: plan.finalist_seeds(task) for task in plan.order},
    }
    yield f"searches/{document['name']}.json", plan.to_bytes() + b"\n"
    yield f"searches/{document['name']}.facts.json", _pretty(facts)
    yield f"searches/{document['name']}.trials.jsonl", _lines(_trial_lines(plan))


def _trial_lines(plan: SearchPlan) -> Iterator[dict[str, Any]]:
    for task in plan.order:
        for index in range(min(plan.tasks[task].trials, 8)):
            config = _configuration(plan, task, index)
            trial = plan.trial_plan(task, config, plan.trial_seeds(task))
            yield {
                "task": task,
                "index": index,
                "config": config,
                "trialId": plan.trial_id(task, config),
                "seeds": plan.trial_seeds(task),
                "runIds": [run.run_id for run in trial.runs],
                "planDigest": trial.digest,
            }


def _configuration(plan: SearchPlan, task: str, index: int) -> dict[str, Any]:
    if plan.algorithm == Algorithm.TPE:
        return _TPE_CONFIG
    return configuration(plan.tasks[task].space, algorithm=plan.algorithm, seed=plan.seed, task=task, index=index)


def argument_lines() -> Iterator[dict[str, Any]]:
    """Each training argument alone, on a task with a recipe in steps: what identifies a run, and its id."""
    for training in documents("arguments.yaml")[0]:
        spec = {"model": {"uri": "s3://models/bert"}, "data": {"uri": "s3://data/tsv"}, "training": training}
        document = {"name": "one", "spec": {**spec, "tasks": [{"name": "rte", "runs": 1}]}}
        _, plan = experiment_plan(document)
        yield {
            "training": training,
            "identity": plan.tasks["rte"].settings.identity(),
            "runId": plan.runs[0].run_id,
            "resolvedFor": plan.resolved_for,
        }


def _tuned(spec: ExperimentSpec, held: dict[str, Any] | None) -> TunedTasks | None:
    source = spec.hyperparameters_from
    if source is None or held is None:
        return None
    if "search" in held:
        return from_search(source, "hunt", HPSearchStatus.model_validate(held["search"]))
    return from_config_map(source, "ConfigMap tuned, key values.yaml", held["configMap"])


def _data_files(uri: str) -> Iterator[str]:
    if uri.endswith("parquet"):
        for task in GLUE_TASKS.values():
            for split in ("train", *task.evaluation_splits.values(), *task.test_splits):
                yield f"{task.name}/{split}-00000-of-00001.parquet"
        yield "ax/test-00000-of-00001.parquet"
    for task in GLUE_TASKS.values():
        kinds = ("_matched", "_mismatched") if task.name == "mnli" else ("",)
        yield f"{task.folder}/train.tsv"
        yield from (f"{task.folder}/{split}{kind}.tsv" for split in ("dev", "test") for kind in kinds)
    yield from ("AX/AX.tsv", *_OWN_FILES)


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _lines(values: Iterator[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
