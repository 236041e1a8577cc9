"""A Katib Experiment as an HPSearch. https://www.kubeflow.org/docs/components/katib/"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from finetune_cli.convert.arguments import TRAINING, number
from finetune_cli.convert.run_glue import Converted, from_run_glue
from finetune_cli.manifest.crds import API_VERSION, SEARCH
from finetune_core.planning.arguments.model import rivals
from finetune_core.planning.arguments.table import API_GROUPS, SEARCHABLE
from finetune_core.problems import InvalidInputError, Problem

_ALGORITHMS = {"random": "Random", "grid": "Grid", "tpe": "TPE", "multivariate-tpe": "TPE"}
_PARAMETER = re.compile(r"\$\{trialParameters\.([^}]+)\}")
_EXTRA = {"batch_size": "trainBatchSize", "per_device_train_batch_size": "trainBatchSize", "lr": "learningRate"}


def from_katib(experiment: Mapping[str, Any]) -> Converted:
    """The search that an Experiment describes; InvalidInputError where it is none, or names no task."""
    spec = experiment.get("spec")
    if experiment.get("kind") != "Experiment" or not isinstance(spec, Mapping):
        raise InvalidInputError((Problem("kind", "is no Katib Experiment: this converts kind: Experiment"),))
    notes: list[str] = []
    references = _references(spec)
    space = _space(spec.get("parameters") or (), references, notes)
    base = _base(spec, notes)
    # What is searched takes the place of what excludes it.
    searched = space.keys() | rivals(space, API_GROUPS)
    search: dict[str, Any] = {
        "model": base["model"],
        "tasks": base["tasks"],
        "space": space,
        "training": {key: value for key, value in base["training"].items() if key not in searched},
        **_numbers(spec),
        "algorithm": _algorithm(spec, notes),
        **_objective(spec),
    }
    name = str((experiment.get("metadata") or {}).get("name") or "from-katib")
    metadata = {"name": name[:40].rstrip("-.")}
    manifest = {"apiVersion": API_VERSION, "kind": SEARCH, "metadata": metadata, "spec": search}
    return Converted(manifest, tuple(notes))


def _references(spec: Mapping[str, Any]) -> dict[str, str]:
    """Katib's parameter -> the script's argument, by the trial's command line."""
    template = spec.get("trialTemplate") or {}
    by_name = {one["name"]: one.get("reference", one["name"]) for one in template.get("trialParameters") or ()}
    words = " ".join(_command(template))
    found = re.findall(r"--([\w-]+)[= ]\$\{trialParameters\.([^}]+)\}", words)
    return {by_name.get(parameter, parameter): argument.replace("-", "_") for argument, parameter in found}


def _command(template: Mapping[str, Any]) -> list[str]:
    """The words that the trial's first container starts."""
    node: Any = template.get("trialSpec") or {}
    containers: list[Any] = []
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, Mapping):
            containers += one.get("containers") or ()
            pending += list(one.values())
        elif isinstance(one, list):
            pending += one
    first = containers[0] if containers else {}
    return [str(word) for word in (*(first.get("command") or ()), *(first.get("args") or ()))]


def _base(spec: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Model, task and the arguments that stay, from the trial's command line; what it does not tell is left to fill."""
    command = _PARAMETER.sub("0", " ".join(_command(spec.get("trialTemplate") or {})))
    try:
        converted = from_run_glue(command)
    except InvalidInputError:
        notes.append("the trial's command is none of run_glue.py: fill in model.uri and tasks")
        return {"model": {"uri": "hf://ORGANISATION/MODEL"}, "tasks": [{"name": "rte"}], "training": {}}
    notes += [one for one in converted.notes if not one.startswith("seed")]
    found: dict[str, Any] = converted.manifest["spec"]
    return found


def _space(parameters: Sequence[Mapping[str, Any]], references: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    space: dict[str, Any] = {}
    for one in parameters:
        theirs = str(references.get(one["name"], one["name"])).lstrip("-").replace("-", "_")
        ours = TRAINING[theirs].api_name if theirs in TRAINING else _EXTRA.get(theirs, theirs)
        if ours == "taskName" or theirs == "task_name":
            notes.append("a search over tasks is one search with several tasks here: list them under tasks")
        elif ours not in SEARCHABLE:
            notes.append(f"parameter {one['name']} cannot be searched here: {', '.join(SEARCHABLE)}")
        else:
            space[ours] = _distribution(one)
    return space


def _distribution(parameter: Mapping[str, Any]) -> dict[str, Any]:
    room = parameter.get("feasibleSpace") or {}
    if "list" in room:
        return {"choice": [number(str(value)) for value in room["list"]]}
    low, high = number(str(room.get("min"))), number(str(room.get("max")))
    whole = parameter.get("parameterType") == "int"
    if room.get("step") is not None and isinstance(low, int | float) and isinstance(high, int | float):
        return {"choice": _steps(low, high, float(room["step"]), whole=whole)}
    log = "log" in str(room.get("distribution", "")).lower()
    kind = ("logInt" if log else "int") if whole else ("logUniform" if log else "uniform")
    return {kind: [low, high]}


def _steps(low: float, high: float, step: float, *, whole: bool) -> list[float]:
    count = int((high - low) / step + 1e-9) + 1
    values = [float(f"{low + index * step:.12g}") for index in range(min(count, 100))]
    return [int(value) for value in values] if whole else values


def _numbers(spec: Mapping[str, Any]) -> dict[str, Any]:
    names = {"maxTrialCount": "trials", "maxFailedTrialCount": "maxFailedTrials"}
    found = {ours: spec[theirs] for theirs, ours in names.items() if spec.get(theirs) is not None}
    if spec.get("parallelTrialCount"):
        # Pods that work on one set of trials.
        found["clusters"] = min(int(spec["parallelTrialCount"]), 50)
        found["execution"] = {"parallelism": found["clusters"]}
    return found


def _algorithm(spec: Mapping[str, Any], notes: list[str]) -> str:
    given = str((spec.get("algorithm") or {}).get("algorithmName", "random"))
    if given not in _ALGORITHMS:
        notes.append(f"algorithm {given} is not there: TPE stands in for it (or Random, Grid)")
    return _ALGORITHMS.get(given, "TPE")


def _objective(spec: Mapping[str, Any]) -> dict[str, Any]:
    given = spec.get("objective") or {}
    objective = {
        "metric": given.get("objectiveMetricName"),
        "direction": {"maximize": "Maximize", "minimize": "Minimize"}.get(str(given.get("type"))),
        "goal": given.get("goal"),
    }
    kept = {key: value for key, value in objective.items() if value is not None}
    return {"objective": kept} if kept else {}
