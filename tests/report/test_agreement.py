"""Whatever the runs left: table, pointer, weights and predictions all speak of one and the same best run."""

import csv
import hashlib
import io
import math
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.plan import Plan
from finetune_core.submission_checks import validate_zip
from finetune_core.tasks import GLUE_TASKS
from finetune_report.build import build
from finetune_store import DirectoryStore, Store
from support.report_store import fail_run, finish_run, layout_of, read_json, report_files
from support.results import plan_of, prediction_file

Predict = Callable[[str, int], dict[str, bytes]]

FAILED = object()
MISSING = object()
TASKS = ("cola", "mrpc", "rte", "spam", "price")
LESS_IS_BETTER = {"price"}
"""Tasks whose deciding metric is an error where nothing else is said; for the others `loss` may be chosen."""

# Few distinct values, so that ties are common.
values = st.sampled_from([0.25, 0.5, 0.5, 0.75, -0.0, 0.0, math.nan, math.inf, -math.inf, None, FAILED, MISSING])
experiments = st.fixed_dictionaries(
    {
        "runs": st.dictionaries(st.sampled_from(TASKS), st.lists(values, min_size=1, max_size=4), min_size=1),
        "deciding": st.dictionaries(st.sampled_from(TASKS), st.just("loss")),
        "other": st.sampled_from([0.5, None, math.nan]),
        "models": st.sampled_from(["Best", "All", "None"]),
    }
)


def no_data(uri: str) -> Store | None:
    return None


def published(task: str, name: str) -> str:
    return f"best/predictions/{name}" if task in GLUE_TASKS else f"best/predictions/{task}/{name}"


def prediction(task: str, run: int) -> dict[str, bytes]:
    names = [file.name for file in GLUE_TASKS[task].submission] if task in GLUE_TASKS else ["test.tsv"]
    return {name: f"index\tprediction\n0\t{task} {run}\n".encode() for name in names}


def best_of(outcomes: list[Any], *, less_is_better: bool) -> int | None:
    """The run that has to win, worked out by hand: the best finite value, of equal ones the first."""
    winner: tuple[int, float] | None = None
    for run, value in enumerate(outcomes):
        if isinstance(value, float) and math.isfinite(value):
            better = winner is None or (value < winner[1] if less_is_better else value > winner[1])
            winner = (run, value) if better else winner
    return winner[0] if winner else None


@dataclass(frozen=True)
class Left:
    """An experiment in the store, not reported yet: its plan, what was drawn, which runs failed, the winners."""

    plan: Plan
    drawn: dict[str, Any]
    failed: list[str]

    @property
    def name(self) -> str:
        return self.plan.experiment

    def winner(self, task: str) -> int | None:
        less = task in self.drawn["deciding"] or task in LESS_IS_BETTER
        return best_of(self.drawn["runs"][task], less_is_better=less)


def leave(store: DirectoryStore, name: str, drawn: dict[str, Any], predict: Predict, **spec: Any) -> Left:
    """What the runs of an experiment leave."""
    runs = drawn["runs"]
    training = {task: {"metric_for_best_model": metric} for task, metric in drawn["deciding"].items() if task in runs}
    counts = {task: len(outcomes) for task, outcomes in runs.items()}
    plan = plan_of(counts, training=training, retention={"models": drawn["models"]}, **spec)
    plan = plan.model_copy(update={"experiment": name})
    store.put(layout_of(plan).plan, plan.to_bytes())
    failed = []
    for task, outcomes in runs.items():
        others = dict.fromkeys(plan.tasks[task].definition.metrics, drawn["other"])
        for run, value in enumerate(outcomes):
            if value is FAILED:
                failed.append(fail_run(store, plan, task, run, "why"))
            elif value is not MISSING:
                finish_run(store, plan, task, run, value, metrics=others, predictions=predict(task, run))
    return Left(plan, drawn, failed)


def report(store: DirectoryStore, left: Left) -> None:
    build(store, left.plan, left.failed, open_data=no_data, plots=False)


def check_report(store: DirectoryStore, left: Left, predict: Predict) -> None:
    """Table, pointer, weights and published predictions are those of the winner; nothing else is published."""
    plan = left.plan
    document = read_json(store, layout_of(plan).results("json"))
    files = report_files(store, plan)
    table = list(csv.DictReader(io.StringIO(files["results.csv"].decode())))
    published_files = set()
    for row in document["tasks"]:
        task, winner = row["task"], left.winner(row["task"])
        cells = [line for line in table if line["task"] == task]
        if winner is None:
            assert row["best"] is None
            assert f"best/{task}.json" not in files
            assert {line["best_run_id"] for line in cells} == {""}
            continue
        run = plan.runs_of(task)[winner]
        value = left.drawn["runs"][task][winner]
        pointer = read_json(store, layout_of(plan).best(task))
        assert pointer == row["best"]
        assert (pointer["runId"], pointer["run"], pointer["seed"]) == (run.run_id, winner, run.seed)
        assert pointer["value"] == value
        assert {(line["best_run_id"], line["best_run"]) for line in cells} == {(run.run_id, str(winner))}
        assert [float(line["best"]) for line in cells if line["metric"] == row["metric"]] == [value]
        assert run.run_id in files["results.md"].decode()
        for name, content in predict(task, winner).items():
            assert files[published(task, name)] == content
            assert pointer["predictions"][name] == published(task, name)
            published_files.add(published(task, name))
        weights = f"{layout_of(plan).root}/{pointer['folder']}/attempts/{pointer['attempt']}/model/config.json"
        kept = store.stat(weights) is not None
        assert kept == (left.drawn["models"] != "None") == (pointer["model"] is not None)
    assert {name for name in files if "predictions/" in name} == published_files
    assert {run["runId"] for run in document["runs"] if run["state"] == "Failed"} == set(left.failed)


@settings(deadline=None, max_examples=40)
@given(experiments)
def test_table_pointer_weights_and_predictions_agree(drawn: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        left = leave(store, "demo", drawn, prediction)
        report(store, left)
        check_report(store, left, prediction)


@settings(deadline=None, max_examples=15)
@given(st.lists(experiments, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_table_over_experiments_says_what_their_pointers_say(drawn: list[dict[str, Any]], chance: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        all_left = [leave(store, f"exp-{k}", one, prediction) for k, one in enumerate(drawn)]
        # Some are reported again, as when a run set grows or the operator was killed in between.
        order = [*all_left, *chance.sample(all_left, k=chance.randrange(len(all_left)))]
        chance.shuffle(order)
        for left in order:
            report(store, left)

        text = store.get("team/finetuning_results.csv").decode()
        rows = [row for row in csv.DictReader(io.StringIO(text)) if row["kind"] == "metric"]
        assert {row["experiment"] for row in rows} == {left.name for left in all_left}
        for left in all_left:
            check_report(store, left, prediction)
            own = [row for row in rows if row["experiment"] == left.name]
            assert {row["task"] for row in own} == set(left.drawn["runs"])
            for row in own:
                check_row(store, left, row)


def check_row(store: DirectoryStore, left: Left, row: dict[str, str]) -> None:
    """A line of the namespace's table against the experiment's pointer, and figures worked out by hand."""
    task, winner = row["task"], left.winner(row["task"])
    deciding = row["metric"] == row["chosen_by"]
    if winner is None:
        assert row["best_run_id"] == ""
        return
    pointer = read_json(store, layout_of(left.plan).best(task))
    assert (row["best_run_id"], row["best_run"]) == (pointer["runId"], str(pointer["run"]))
    assert (row["seed"], row["step"]) == (str(pointer["seed"]), str(pointer["step"]))
    if deciding:
        finite = [v for v in left.drawn["runs"][task] if isinstance(v, float) and math.isfinite(v)]
        assert float(row["best"]) == pointer["value"]
        assert int(row["n"]) == len(finite)
        assert float(row["mean"]) == pytest.approx(math.fsum(finite) / len(finite))


submitted = st.fixed_dictionaries(
    {
        "runs": st.dictionaries(
            st.sampled_from(("cola", "mrpc", "stsb", "mnli", "rte", "wnli")),
            st.lists(values, min_size=1, max_size=3),
            min_size=1,
            max_size=3,
        ),
        "deciding": st.dictionaries(st.sampled_from(("rte", "mnli")), st.just("loss")),
        "other": st.just(0.5),
        "models": st.just("None"),
    }
)


def whole_prediction(task: str, run: int) -> dict[str, bytes]:
    """Of the official lengths; each run says something else."""
    return {file.name: prediction_file(file, salt="x" * (run + 1)) for file in GLUE_TASKS[task].submission}


@settings(deadline=None, max_examples=6)
@given(submitted)
def test_the_zip_holds_what_the_best_runs_predicted_and_says_so(drawn: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        left = leave(store, "demo", drawn, whole_prediction, leaderboard={"missingTasks": "Placeholder"})
        report(store, left)

        content = store.get(layout_of(left.plan).submission)
        assert validate_zip(io.BytesIO(content)) == ()
        manifest = {one["name"]: one for one in read_json(store, layout_of(left.plan).submission_manifest)["files"]}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for task in GLUE_TASKS:
                winner = left.winner(task) if task in drawn["runs"] else None
                run = None if winner is None else left.plan.runs_of(task)[winner]
                for name in (file.name for file in GLUE_TASKS[task].submission):
                    said = manifest[name]
                    assert said["placeholder"] == (run is None)
                    assert said["sha256"] == hashlib.sha256(archive.read(name)).hexdigest()
                    if run is not None and winner is not None:
                        assert archive.read(name) == whole_prediction(task, winner)[name]
                        assert archive.read(name) == store.get(f"{layout_of(left.plan).root}/{published(task, name)}")
                        assert (said["runId"], said["seed"]) == (run.run_id, run.seed)
                        assert said["value"] == drawn["runs"][task][winner]
