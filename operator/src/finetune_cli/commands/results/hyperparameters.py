"""`hps`: the best hyperparameters of a search, as they are or as a ready experiment."""

from typing import Annotated, Any

import typer

from finetune_cli.commands.common import Context, Namespace, SearchName
from finetune_cli.output import note, write
from finetune_client.errors import NotFoundError
from finetune_client.exits import Exit
from finetune_client.finding import cluster, find
from finetune_core.api import Execution
from finetune_core.json_types import Json
from finetune_core.planning.arguments.model import overlay
from finetune_core.planning.arguments.table import API_GROUPS
from finetune_core.results.search.hyperparameter_files import to_yaml
from finetune_kube.kinds import EXPERIMENT, SEARCH

_COPIED = ("data", "execution", "storage")
_OF_SEARCHES = ("suspend", "retryToken")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("hps")(hyperparameters)


def hyperparameters(
    name: SearchName,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", metavar="NAME", help="Write an experiment of that name with these values."),
    ] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs of each task in that experiment.")] = None,
    namespace: Namespace = None,
    context: Context = None,
) -> int:
    """Write a search's best hyperparameters as YAML: task -> training arguments, or a ready experiment.

    The experiment holds the values themselves; `hyperparametersFrom` in a manifest of your own follows the search.
    """
    _, item = find(cluster(context, namespace), name, (SEARCH,))
    best = best_values(item)
    if not best:
        raise NotFoundError(
            f"{item['metadata']['name']} has no best hyperparameters yet",
            f"finetune watch hps/{item['metadata']['name']} waits for them.",
        )
    if not (item.get("status") or {}).get("completionTime"):
        note("The search has not ended: these are the best values so far.")
    write(to_yaml(best if experiment is None else experiment_with(item, best, experiment, runs)))
    return Exit.OK


def best_values(search: Json) -> dict[str, dict[str, Any]]:
    """Task -> best training arguments, of the tasks that a task stands in for too."""
    found: dict[str, dict[str, Any]] = {}
    proxied: dict[str, dict[str, Any]] = {}
    for task in (search.get("status") or {}).get("tasks") or ():
        if task.get("best"):
            values = task["best"]["hyperparameters"]
            found[task["name"]] = values
            proxied |= dict.fromkeys(task.get("proxyFor") or (), values)
    return found | {task: values for task, values in proxied.items() if task not in found}


def experiment_with(search: Json, best: dict[str, dict[str, Any]], name: str, runs: int | None) -> Json:
    """A manifest of final runs: the search's model, data and execution, each task with its best values."""
    spec = search["spec"]
    declared = {task["name"]: task for task in spec["tasks"]}
    shared = {key: spec[key] for key in _COPIED if key in spec}
    if "execution" in shared:
        usual = Execution().model_dump(mode="json", by_alias=True)
        given = shared["execution"].items()
        shared["execution"] = {
            key: value for key, value in given if key not in _OF_SEARCHES and usual.get(key) != value
        }
    return {
        "apiVersion": EXPERIMENT.api_version,
        "kind": EXPERIMENT.kind,
        "metadata": {"name": name},
        "spec": {
            "model": spec["model"],
            **({"runs": runs} if runs else {}),
            **({"training": spec["training"]} if "training" in spec else {}),
            "tasks": [_task(declared.get(task, {"name": task}), task, values) for task, values in best.items()],
            **shared,
        },
    }


def _task(declared: Json, name: str, values: dict[str, Any]) -> Json:
    """A task of the search as one of an experiment."""
    kept = {key: value for key, value in declared.items() if key not in {"trials", "space", "proxyFor", "training"}}
    return {**kept, "name": name, "training": overlay(declared.get("training") or {}, values, API_GROUPS)}
