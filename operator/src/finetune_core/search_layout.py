"""Where a search's objects lie: keys relative to the store's prefix.

<namespace>/<search>/search.json                     the plan in force
    tasks/<task>/start.json end.json                 when its first driver began; why no trial is left to do
    tasks/<task>/failures/<driver>.json              why a driver could not search on it
    drivers/<driver>.json                            heartbeat, rewritten while the driver lives
    ray/<RayJob>.json                                what its driver has done
    trials/<task>/<index>/claims/<n>.json            the n-th driver that took the trial, and its configuration
    trials/<task>/<index>/result.json                written last, once: the trial has ended
    finalists/<task>/<index>/...                     the same, for configurations that are run again on fresh seeds
    runs/<task>/<run id>/...                         the runs of trials, as in an experiment
    hps/<task>.yaml hps/best.json  trials.csv  summary.{json,csv,md,html}  plots/<task>-<plot>.{png,svg}
<namespace>/best_hyperparameters.{csv,md}            over all searches and models of the namespace
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_FAILURE = re.compile(r"(?P<task>[^/]+)/failures/c(?P<cluster>\d+)-[^/]+[.]json")


class TrialKind(StrEnum):
    """Which set of trials; the value is its folder."""

    TRIALS = "trials"
    FINALISTS = "finalists"


@dataclass(frozen=True)
class TrialLayout:
    """Keys of one trial."""

    root: str

    def claim(self, number: int) -> str:
        """Who took the trial as the `number`-th (0, 1, ...); created once, never replaced."""
        return f"{self.root}/claims/{number:04d}.json"

    @property
    def claims(self) -> str:
        """Folder of claims."""
        return f"{self.root}/claims"

    @property
    def result(self) -> str:
        """How the trial ended; created once."""
        return f"{self.root}/result.json"

    def unreadable(self, driver: str) -> str:
        """What a driver found in the place of the result, and set aside."""
        return f"{self.root}/unreadable/{driver}.json"


@dataclass(frozen=True)
class SearchLayout:
    """Keys of one search."""

    namespace: str
    search: str

    @property
    def root(self) -> str:
        """The search's folder."""
        return f"{self.namespace}/{self.search}"

    @property
    def plan(self) -> str:
        """The plan in force."""
        return f"{self.root}/search.json"

    @property
    def tasks(self) -> str:
        """Folder of what is kept by task, the trials aside."""
        return f"{self.root}/tasks"

    def start(self, task: str) -> str:
        """When the first driver of a task began; created once."""
        return f"{self.tasks}/{task}/start.json"

    def end(self, task: str) -> str:
        """Why a task has no trial left to do; created once, after the last trial and finalist."""
        return f"{self.tasks}/{task}/end.json"

    def failure(self, task: str, driver: str) -> str:
        """Why a driver could not search on the task (`Failure`); by `failed_unit`, the key says which unit it was."""
        return f"{self.tasks}/{task}/failures/{driver}.json"

    def failed_unit(self, key: str) -> str | None:
        """The unit, such as `rte/0`, whose failure lies at a key; None for another object."""
        found = _FAILURE.fullmatch(key.removeprefix(f"{self.tasks}/"))
        return None if found is None else f"{found['task']}/{found['cluster']}"

    @property
    def drivers(self) -> str:
        """Folder of the drivers' heartbeats."""
        return f"{self.root}/drivers"

    def driver(self, driver: str) -> str:
        """A driver's heartbeat; its name is `c<cluster>-<uid of its pod>`."""
        return f"{self.drivers}/{driver}.json"

    def driver_report(self, ray_job: str) -> str:
        """What the driver of a RayJob has done (`DriverReport`)."""
        return f"{self.root}/ray/{ray_job}.json"

    def trials(self, kind: TrialKind, task: str) -> str:
        """Folder of a task's trials."""
        return f"{self.root}/{kind.value}/{task}"

    def trial(self, kind: TrialKind, task: str, index: int) -> TrialLayout:
        """Keys of trial `index` (0, 1, ...)."""
        return TrialLayout(f"{self.root}/{kind.value}/{task}/{index:05d}")

    def hyperparameters(self, task: str) -> str:
        """The task's best hyperparameters, as YAML of training arguments."""
        return f"{self.root}/hps/{task}.yaml"

    @property
    def best(self) -> str:
        """The best hyperparameters of all tasks with where they come from (`BestHyperparameters`)."""
        return f"{self.root}/hps/best.json"

    @property
    def trials_table(self) -> str:
        """One row a trial."""
        return f"{self.root}/trials.csv"

    def summary(self, suffix: str) -> str:
        """The summary: json, csv, md or html. json is written last of all."""
        return f"{self.root}/summary.{suffix}"

    def plot(self, name: str, suffix: str) -> str:
        """A plot: png or svg."""
        return f"{self.root}/plots/{name}.{suffix}"


def best_hyperparameters(namespace: str, suffix: str) -> str:
    """The table of the best hyperparameters over all searches of a namespace: csv or md."""
    return f"{namespace}/best_hyperparameters.{suffix}"
