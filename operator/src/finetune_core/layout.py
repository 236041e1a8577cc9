"""Where everything lies in the object store: keys relative to the store's prefix.

<namespace>/<experiment or search>/hold.json   while nothing new is to begin
    signs/<pod uid>   while a pod that reports, or looks at volumes, is at work
<namespace>/<experiment>/plan.json
    runs/<task>/<run id>/config.json progress.json result.json at-once.json
        checkpoint/<attempt>/...   see `results/checkpoint.py`
        attempts/<attempt>/metrics.jsonl predictions/<file>.tsv dev/<split>.tsv model/... tensorboard/...
        failures/<attempt>.json
    ray/<RayJob>.json          what its driver has done
    best/<task>.json   best/predictions/<file>.tsv   best/predictions/<custom task>/<file>.tsv
    results.json results.csv results.md runs.csv report.html plots/*.{png,svg}   submission.zip submission.json
    published/<entry>.json     what lies at the places of an entry of `spec.publish`
<namespace>/finetuning_results.{csv,md,html} over all experiments of the namespace
<namespace>/finetuning_results_{comparison,sparsity}.{png,svg}
<namespace>/.cache/...      tokenised data, by digest (a name that no experiment can have)
<namespace>/.runs/<run id>/<experiment or search>   where a run may be taken from, see `run_places`
"""

from dataclasses import dataclass

_ATTEMPT_DIGITS = 8


@dataclass(frozen=True)
class RunLayout:
    """Keys of one run."""

    root: str

    @property
    def config(self) -> str:
        """What the run was told."""
        return f"{self.root}/config.json"

    @property
    def progress(self) -> str:
        """Where the run is, rewritten while it lives."""
        return f"{self.root}/progress.json"

    @property
    def result(self) -> str:
        """Written last; only success writes it."""
        return f"{self.root}/result.json"

    @property
    def at_once(self) -> str:
        """Of a pod's first run by id: that the pod does several at a time (`RunsAtOnce`); gone when it has ended."""
        return f"{self.root}/at-once.json"

    @property
    def checkpoint(self) -> str:
        """Folder of resumable states, one folder an attempt; empty once the run has its result."""
        return f"{self.root}/checkpoint"

    @property
    def run_id(self) -> str:
        """The run's id: the name of its folder."""
        return self.root.rpartition("/")[2]

    @property
    def attempts(self) -> str:
        """Folder of attempts."""
        return f"{self.root}/attempts"

    @property
    def failures(self) -> str:
        """Folder of failure reports."""
        return f"{self.root}/failures"

    def attempt(self, attempt: str) -> str:
        """Folder of what one attempt (a pod's uid) wrote."""
        return f"{self.root}/attempts/{attempt}"

    def metrics(self, attempt: str) -> str:
        """One JSON line an evaluation."""
        return f"{self.attempt(attempt)}/metrics.jsonl"

    def tensorboard(self, attempt: str) -> str:
        """Folder of event files, for `tensorboard --logdir`."""
        return f"{self.attempt(attempt)}/tensorboard"

    def predictions(self, attempt: str, file: str) -> str:
        """A predicted test set, in the leaderboard's format."""
        return f"{self.attempt(attempt)}/predictions/{file}"

    def dev_predictions(self, attempt: str, file: str) -> str:
        """What the best evaluation said of each row of a dev set."""
        return f"{self.attempt(attempt)}/dev/{file}"

    def model(self, attempt: str) -> str:
        """Folder of the best weights and the tokenizer, for `from_pretrained`."""
        return f"{self.attempt(attempt)}/model"

    def failure(self, attempt: str) -> str:
        """Why an attempt failed."""
        return f"{self.root}/failures/{attempt}.json"

    def unreadable(self, attempt: str) -> str:
        """What an attempt found in the place of the result, and set aside."""
        return f"{self.root}/unreadable/{attempt}.json"


@dataclass(frozen=True)
class ExperimentLayout:
    """Keys of one experiment."""

    namespace: str
    experiment: str

    @property
    def root(self) -> str:
        """The experiment's folder."""
        return f"{self.namespace}/{self.experiment}"

    @property
    def plan(self) -> str:
        """The plan in force."""
        return f"{self.root}/plan.json"

    @property
    def hold(self) -> str:
        """Why nothing new is to begin (`Hold`); gone as soon as it may. A search has it at the same place."""
        return f"{self.root}/hold.json"

    @property
    def signs(self) -> str:
        """Folder of the last signs of life of pods that report or look at volumes; of a search too."""
        return f"{self.root}/signs"

    def sign(self, pod: str) -> str:
        """That of one pod, by its uid."""
        return f"{self.signs}/{pod}"

    @property
    def runs(self) -> str:
        """Folder of all runs."""
        return f"{self.root}/runs"

    def run(self, task: str, run_id: str) -> RunLayout:
        """Keys of a run."""
        return RunLayout(f"{self.root}/runs/{task}/{run_id}")

    def driver_report(self, ray_job: str) -> str:
        """What the driver of a RayJob has done (`DriverReport`)."""
        return f"{self.root}/ray/{ray_job}.json"

    def results(self, suffix: str) -> str:
        """The results table: json, csv or md."""
        return f"{self.root}/results.{suffix}"

    @property
    def report(self) -> str:
        """The results on one page."""
        return f"{self.root}/report.html"

    @property
    def plots(self) -> str:
        """Folder of plots."""
        return f"{self.root}/plots"

    def plot(self, name: str, suffix: str) -> str:
        """A plot: png or svg."""
        return f"{self.plots}/{name}.{suffix}"

    def best(self, task: str) -> str:
        """Pointer to a task's best run."""
        return f"{self.root}/best/{task}.json"

    def best_predictions(self, file: str) -> str:
        """Predictions of the best run of the file's task; of a custom task `<task>/<file>`."""
        return f"{self.root}/best/predictions/{file}"

    def published(self, entry: str) -> str:
        """What lies at the places of an entry of `spec.publish` (`Publications`)."""
        return f"{self.root}/published/{entry}.json"

    @property
    def submission(self) -> str:
        """The leaderboard zip."""
        return f"{self.root}/submission.zip"

    @property
    def submission_manifest(self) -> str:
        """What the zip is made of."""
        return f"{self.root}/submission.json"


def token_cache(namespace: str, digest: str) -> str:
    """Folder of a tokenised data set, shared by the experiments of a namespace."""
    return f"{namespace}/.cache/tokens/{digest}"


def run_places(namespace: str, run_id: str) -> str:
    """Folder that has an object, named like the experiment, for each one that has the run, or is about to have it.

    Written before the run's result: every result has its entry, an entry alone says nothing.
    """
    return f"{namespace}/.runs/{run_id}"


def run_place(namespace: str, run_id: str, experiment: str) -> str:
    """That of one experiment or search."""
    return f"{run_places(namespace, run_id)}/{experiment}"


def finetuning_results(namespace: str, suffix: str) -> str:
    """The table of the results of all experiments of a namespace: csv, md or html."""
    return f"{namespace}/finetuning_results.{suffix}"


def finetuning_plot(namespace: str, name: str, suffix: str) -> str:
    """A plot over all experiments of a namespace, png or svg; no experiment can have a name with an underscore."""
    return f"{namespace}/finetuning_results_{name}.{suffix}"


def attempt_in(pod: str, unique: str) -> str:
    """The name of one of several attempts that a pod is at; `unique` is a random text of hexadecimal digits."""
    return f"{pod}-{unique[:_ATTEMPT_DIGITS]}"


def is_attempt_of(attempt: str, pod: str) -> bool:
    """Whether it is the pod's only attempt, which has its name, or one of several."""
    return attempt in {pod, attempt_in(pod, attempt[-_ATTEMPT_DIGITS:])}
