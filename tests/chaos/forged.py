"""Observations as a flawless campaign makes them; tests spoil one thing each."""

import copy
import hashlib
import statistics
from typing import Any

from chaos.observed import Ending, Json, Look, Seen

NAMESPACE = "space"
OWNER = "uid-owner"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run_result(task: str, run: int, value: float) -> Json:
    predictions = {f"{task}.tsv": {"rows": 8, "sha256": sha(f"{task}{run}")}}
    metrics = {"accuracy": value}
    return {
        "task": task,
        "run": run,
        "seed": 100 + run,
        "metric": "accuracy",
        "value": value,
        "metrics": metrics,
        "step": 4,
        "settings": {"learningRate": 0.001},
        "attempt": f"pod-{task}-{run}",
        "predictions": predictions,
    }


VALUES = {"rte": [0.5, 0.75, 0.625], "wnli": [0.25, 0.5, 0.375]}


def experiment(runs: int = 3, name: str = "storm") -> Ending:
    """Two tasks with these values; its bests are 0.75 and 0.5, its score is 62.5."""
    documents: dict[str, Any] = {"plan.json": {}, "runs/rte/id-rte-0/config.json": {}}
    digests = {}
    tasks: list[Json] = []
    for task, values in VALUES.items():
        for run, value in enumerate(values[:runs]):
            folder = f"runs/{task}/id-{task}-{run}"
            documents[f"{folder}/result.json"] = run_result(task, run, value)
            digests[f"{folder}/attempts/pod-{task}-{run}/predictions/{task}.tsv"] = sha(f"{task}{run}")
        best = values.index(max(values[:runs]))
        documents[f"best/{task}.json"] = {"task": task, "value": values[best], "runId": f"id-{task}-{best}"}
        digests[f"best/predictions/{task}.tsv"] = sha(f"{task}{best}")
        tasks.append(
            {"name": task, "best": {"value": values[best], "runId": f"id-{task}-{best}"}, **_spread(values[:runs])}
        )
    documents["results.json"] = {
        "runs": [
            {"task": task, "runId": f"id-{task}-{run}", "value": value}
            for task, values in VALUES.items()
            for run, value in enumerate(values[:runs])
        ],
        "tasks": [{"task": task["name"], "best": {"runId": task["best"]["runId"]}} for task in tasks],
    }
    status = {
        "runs": {"total": 2 * runs, "pending": 0, "running": 0, "succeeded": 2 * runs, "failed": 0},
        "score": "62.50 (2/9)",
        "tasks": tasks,
        "failures": [],
    }
    return Ending(name, status, documents, digests, runs=runs)


def _spread(values: list[float]) -> Json:
    return {"mean": round(statistics.mean(values), 6), "std": round(statistics.stdev(values), 6)}


def search(name: str = "storm-search") -> Ending:
    """Three trials; the best is 0.75."""
    documents: dict[str, Any] = {}
    for index, value in enumerate([0.5, 0.75, 0.625]):
        documents[f"trials/rte/0000{index}/result.json"] = {
            "task": "rte",
            "index": index,
            "state": "Completed",
            "value": value,
            "metrics": {"accuracy": value},
            "config": {"learningRate": 0.001 * (index + 1)},
            "step": 4,
        }
    counts = {"total": 3, "running": 0, "completed": 3, "stopped": 0, "failed": 0}
    best = {"trial": 1, "value": 0.75, "hyperparameters": {"learningRate": 0.002}}
    documents["hps/best.json"] = {"tasks": {"rte": copy.deepcopy(best)}}
    status = {"trials": counts, "tasks": [{"name": "rte", "failed": 0, "best": best}]}
    return Ending(name, status, documents, exported={"rte.yaml": "# found by a search\nlearningRate: 0.002\n"})


def child(name: str, *, uid: str = "", owner: str = OWNER, **rest: Any) -> Json:
    owners = [{"uid": owner, "controller": True}] if owner else []
    return {"metadata": {"name": name, "uid": uid or f"uid-{name}", "ownerReferences": owners}, **rest}


def job(name: str, *, owner: str = OWNER, ended: bool = False, suspend: bool = False, plan: str = "plan") -> Json:
    conditions = [{"type": "Complete", "status": "True"}] if ended else []
    volumes = [{"name": "plan", "configMap": {"name": plan}}]
    spec = {"suspend": suspend, "template": {"spec": {"volumes": volumes}}}
    return child(name, owner=owner, spec=spec, status={"conditions": conditions})


def pod(uid: str, phase: str = "Running", owner: str = "uid-job") -> Json:
    return child(f"pod-{uid}", uid=uid, owner=owner, status={"phase": phase})


def look(at: float = 0, *, keys: dict[str, Seen] | None = None, **changed: Any) -> Look:
    """A moment at which an ended Job with its plan is all that there is."""
    children = {"pods": [pod("a", "Succeeded")], "jobs": [job("job", ended=True)], "configmaps": [child("plan")]}
    children = {**children, "networkpolicies": [], **changed}
    owners = {"storm": {"metadata": {"uid": OWNER}, "status": {}}}
    return Look(at, copy.deepcopy(children), owners, keys or {})
