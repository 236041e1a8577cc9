"""Whether an experiment or search came to the end that an undisturbed one of the same spec came to. Pure.

Reads JSON alone: what the store and the status say, compared with each other and with the undisturbed one.
"""

import statistics
from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml

from chaos.observed import Ending, Json, Violation

_TRIALS = "trials"
_ROUNDED = 1e-6
_SAME = ("value", "metrics", "step", "metric", "settings", "seed", "config")
"""What of a result or trial says what came out; the rest says when, where and how long."""


def results(ending: Ending) -> dict[str, Any]:
    """The documents at the places of results, of runs and trials, by key."""
    places = ("runs", _TRIALS)
    found = {key: document for key, document in ending.documents.items() if _is_result(key, places)}
    return found if ending.runs else {key: document for key, document in found.items() if key.startswith(_TRIALS)}


def _is_result(key: str, places: tuple[str, ...]) -> bool:
    parts = key.split("/")
    return len(parts) == 4 and parts[0] in places and parts[-1] == "result.json"


def check_calm(calm: Ending) -> Iterator[Violation]:
    """The undisturbed one itself: where two runs of a task are the same, the same numbers would say nothing of them."""
    known: dict[tuple[str, str], str] = {}
    for key, document in sorted(results(calm).items()):
        told = document["task"], str((document["value"], document["metrics"], _shas(document)))
        if told in known:
            yield Violation("runs differ", f"{calm.name}: {key} has the numbers of {known[told]}")
        known.setdefault(told, key)


def check_ending(ending: Ending, calm: Ending) -> Iterator[Violation]:
    """Each result there, once, the same as the undisturbed one's; status and pointers say what the store does."""
    expected = wanted(calm, ending)
    yield from _there(ending, expected)
    yield from _same(ending, expected)
    yield from _digests(ending)
    counted = [document for key, document in results(ending).items() if key in expected and document]
    yield from (_run_status if ending.runs else _trial_status)(ending, counted, len(expected))
    yield from (_tasks if ending.runs else _failed_trials)(ending, counted)
    yield from _best(ending, counted)
    yield from (_best_runs if ending.runs else _best_trials)(ending)
    yield from _table(ending, expected) if ending.runs else ()


def wanted(calm: Ending, ending: Ending) -> dict[str, Any]:
    """What the undisturbed one has, of the runs that the disturbed one was asked for in the end."""
    found = results(calm)
    return {key: one for key, one in found.items() if one["run"] < ending.runs} if ending.runs else found


def _there(ending: Ending, expected: dict[str, Any]) -> Iterator[Violation]:
    found = results(ending)
    for key in expected:
        if not found.get(key):
            state = "is no JSON" if key in found else "is missing"
            yield Violation("each run one result", f"{ending.name}/{key} {state}")


def _same(ending: Ending, expected: dict[str, Any]) -> Iterator[Violation]:
    for key, document in results(ending).items():
        if document and document.get("state") == "Failed" and key in expected:
            yield Violation("each run one result", f"{ending.name}/{key} failed: {document.get('error')}")
        elif document and key in expected:
            ours, theirs = _numbers(document), _numbers(expected[key])
            differing = [name for name in ours if ours[name] != theirs[name]]
            for name in differing:
                what = f"{ending.name}/{key}: {name} is {ours[name]}, undisturbed {theirs[name]}"
                yield Violation("same numbers", what)


def _numbers(document: Json) -> Json:
    return {**{name: document.get(name) for name in _SAME}, "predictions": _shas(document)}


def _shas(document: Json) -> Json:
    return {file: one["sha256"] for file, one in (document.get("predictions") or {}).items()}


def _digests(ending: Ending) -> Iterator[Violation]:
    """The files that a result names hold what it says."""
    for key, document in results(ending).items():
        for file, sha in _shas(document or {}).items():
            path = f"{key.removesuffix('result.json')}attempts/{document['attempt']}/predictions/{file}"
            if ending.digests.get(path) != sha:
                yield Violation("same numbers", f"{ending.name}/{path} is {ending.digests.get(path)}, told {sha}")


def _run_status(ending: Ending, counted: list[Json], planned: int) -> Iterator[Violation]:
    told = ending.status.get("runs") or {}
    seen = {"total": planned, "pending": 0, "running": 0, "succeeded": len(counted), "failed": 0}
    yield from _compare(ending, "runs", {name: told.get(name, 0) for name in seen}, seen)
    best = [max(values) for values in _values(counted).values()]
    # "62.50 (2/9)": the mean of two of GLUE's nine tasks.
    score = str(ending.status.get("score"))
    if best and score.split(maxsplit=1)[0] != f"{100 * statistics.mean(best):.2f}":
        yield Violation("status = store", f"{ending.name}: score is {score}, bests are {best}")


def _trial_status(ending: Ending, counted: list[Json], planned: int) -> Iterator[Violation]:
    told = ending.status.get("trials") or {}
    states = [document["state"] for document in counted]
    seen = {
        "total": planned,
        "running": 0,
        "completed": states.count("Completed"),
        "stopped": states.count("Stopped"),
        "failed": states.count("Failed"),
    }
    yield from _compare(ending, "trials", {name: told.get(name, 0) for name in seen}, seen)


def _compare(ending: Ending, what: str, told: object, seen: object) -> Iterator[Violation]:
    if told != seen:
        yield Violation("status = store", f"{ending.name}: status.{what} is {told}, the store has {seen}")


def _best(ending: Ending, counted: list[Json]) -> Iterator[Violation]:
    """Best is the maximum (all metrics of the campaign's tasks are better where they are greater)."""
    values = _values(counted)
    told = {task["name"]: task.get("best") or {} for task in ending.status.get("tasks") or ()}
    for task, known in values.items():
        shown = told.get(task, {}).get("value")
        if shown is None or abs(shown - max(known)) > 1e-9:
            yield Violation("best = maximum", f"{ending.name}: status says {shown} of {task}, values are {known}")
        kept = (ending.documents.get(f"best/{task}.json") or {}) if ending.runs else {}
        if ending.runs and kept.get("value") != max(known):
            yield Violation("best = maximum", f"{ending.name}: best/{task}.json says {kept}, values are {known}")


def _tasks(ending: Ending, counted: list[Json]) -> Iterator[Violation]:
    """Means and deviations, which the status has to six digits; nothing has failed."""
    told = {task["name"]: task for task in ending.status.get("tasks") or ()}
    for task, known in _values(counted).items():
        figures = {"mean": statistics.mean(known), "std": statistics.stdev(known) if len(known) > 1 else None}
        for name, figure in figures.items():
            shown = told.get(task, {}).get(name)
            if shown != figure and (shown is None or figure is None or abs(shown - figure) > _ROUNDED):
                what = f"{ending.name}: {name} of {task} is {shown}, of the store {figure}"
                yield Violation("status = store", what)
    yield from _compare(
        ending, "tasks[].failed", {task: one.get("failed", 0) for task, one in told.items() if one.get("failed")}, {}
    )
    yield from _compare(ending, "failures", list(ending.status.get("failures") or ()), [])


def _failed_trials(ending: Ending, counted: list[Json]) -> Iterator[Violation]:
    failed = Counter(document["task"] for document in counted if document["state"] == "Failed")
    told = {task["name"]: task.get("failed", 0) for task in ending.status.get("tasks") or () if task.get("failed")}
    yield from _compare(ending, "tasks[].failed", told, dict(failed))
    yield from _compare(ending, "failures", list(ending.status.get("failures") or ()), [])


def _best_runs(ending: Ending) -> Iterator[Violation]:
    """The run that the status and the pointer name has the value and the predictions that are told of it."""
    for task in ending.status.get("tasks") or ():
        name, ident = task["name"], (task.get("best") or {}).get("runId")
        document = ending.documents.get(f"runs/{name}/{ident}/result.json") or {}
        if not document or document.get("value") != (ending.documents.get(f"best/{name}.json") or {}).get("value"):
            yield Violation(
                "best = maximum", f"{ending.name}: the best run of {name} is {ident}, which has not its value"
            )
        pointed = (ending.documents.get(f"best/{name}.json") or {}).get("runId")
        if pointed != ident:
            yield Violation("best = maximum", f"{ending.name}: best/{name}.json names {pointed}, status {ident}")
        for file, sha in _shas(document).items():
            kept = ending.digests.get(f"best/predictions/{file}")
            if kept != sha:
                yield Violation("report = store", f"{ending.name}/best/predictions/{file} is {kept}, of {ident} {sha}")


def _best_trials(ending: Ending) -> Iterator[Violation]:
    """Status, hps/best.json and ConfigMap hold the configuration of one trial with the greatest value."""
    best = (ending.documents.get("hps/best.json") or {}).get("tasks") or {}
    for task in ending.status.get("tasks") or ():
        name, told = task["name"], task.get("best") or {}
        document = ending.documents.get(f"{_TRIALS}/{name}/{told.get('trial', -1):05d}/result.json") or {}
        if told.get("hyperparameters") != document.get("config") or told.get("value") != document.get("value"):
            yield Violation("best = maximum", f"{ending.name}: status says {told} of {name}, the trial {document}")
        kept = {one: best.get(name, {}).get(one) for one in ("trial", "value", "hyperparameters")}
        if kept != {one: told.get(one) for one in kept}:
            yield Violation("report = store", f"{ending.name}/hps/best.json says {kept} of {name}, status {told}")
        exported = yaml.safe_load(ending.exported.get(f"{name}.yaml", ""))
        if exported != told.get("hyperparameters"):
            yield Violation("report = store", f"{ending.name}: the ConfigMap says {exported} of {name}, status {told}")


def _table(ending: Ending, expected: dict[str, Any]) -> Iterator[Violation]:
    """results.json has a row for each run, with its value, and names the best of each task."""
    table = ending.documents.get("results.json") or {}
    rows = {f"runs/{row['task']}/{row['runId']}/result.json": row["value"] for row in table.get("runs") or ()}
    known = {key: (ending.documents.get(key) or {}).get("value") for key in expected}
    if rows != known:
        yield Violation("report = store", f"{ending.name}/results.json has {rows}, the store {known}")
    named = {row["task"]: (row.get("best") or {}).get("runId") for row in table.get("tasks") or ()}
    told = {task["name"]: (task.get("best") or {}).get("runId") for task in ending.status.get("tasks") or ()}
    if named != told:
        yield Violation("report = store", f"{ending.name}/results.json names {named} as best, status {told}")


def _values(counted: list[Json]) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for document in counted:
        if document["value"] is not None:
            values.setdefault(document["task"], []).append(document["value"])
    return values
