"""The two kinds on the page: their words in addresses, and the table of tasks as the cluster tells it. Pure."""

from collections.abc import Mapping
from urllib.parse import quote

from finetune_client.overview import Overview, TaskOverview
from finetune_core.tables import figures
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind

KINDS: Mapping[str, Kind] = {"experiments": EXPERIMENT, "searches": SEARCH}
"""Word in an address -> kind."""

_WORDS = {kind: word for word, kind in KINDS.items()}
_EXPERIMENT_TASKS = ("Task", "Runs", "Failed", "Metric", "Best", "Mean ± std", "Score", "Best run")
_SEARCH_TASKS = ("Task", "Trials", "Failed", "Metric", "Best", "Best trial", "Hyperparameters")


def path_of(seen: Overview) -> str:
    """Address of an object's page."""
    return f"/{_WORDS[seen.kind]}/{quote(seen.namespace, safe='')}/{quote(seen.name, safe='')}"


def task_header(seen: Overview) -> tuple[str, ...]:
    """Titles of `task_rows`."""
    return _EXPERIMENT_TASKS if seen.kind == EXPERIMENT else _SEARCH_TASKS


def task_rows(seen: Overview) -> tuple[tuple[str, ...], ...]:
    """The tasks, for when the store cannot be read."""
    return tuple(_row(seen.kind, task) for task in seen.tasks)


def _row(kind: Kind, task: TaskOverview) -> tuple[str, ...]:
    common = (task.name, task.done, str(task.failed), task.metric, figures.metric(task.metric, task.best))
    best = figures.NOTHING if task.best_run is None else str(task.best_run)
    if kind == EXPERIMENT:
        return (*common, figures.spread(task.metric, task.mean, task.std), figures.score(task.score), best)
    return (*common, best, figures.settings(task.hyperparameters))
