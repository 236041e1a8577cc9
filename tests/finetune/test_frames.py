import math
from pathlib import Path

import pytest

import finetune
from finetune_client.errors import NotFoundError, UsageError
from finetune_core.planning.plan import Plan
from finetune_core.tables.experiment import RESULTS_COLUMNS
from finetune_report.build import build
from finetune_store import DirectoryStore
from support.filled_store import finished_experiment, no_data, running_experiment, running_search
from support.report_store import finish_run, layout_of
from support.results import plan_of
from support.search_trials import mixed_trials


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> DirectoryStore:
    return DirectoryStore(folder)


@pytest.fixture
def plan(store: DirectoryStore) -> Plan:
    return running_experiment(store)


def test_results_has_a_row_a_task_and_metric_and_the_columns_of_results_csv(plan: Plan, folder: Path) -> None:
    with pytest.warns(UserWarning, match="Not all runs of demo have ended"):
        frame = finetune.results("demo", namespace="team", store=str(folder))
    assert list(frame.columns) == ["namespace", "experiment", "model", *RESULTS_COLUMNS]
    rte = frame[frame.task == "rte"].iloc[0]
    assert (rte.metric, rte.n, rte.best, rte.best_run) == ("accuracy", 2, 0.65, 1)
    assert rte["mean"] == pytest.approx(0.63)
    assert rte.best_run_id == plan.runs_of("rte")[1].run_id


def test_results_of_all_experiments_of_a_namespace(plan: Plan, store: DirectoryStore, folder: Path) -> None:
    finished_experiment(store, "other", 0.7)
    with pytest.warns(UserWarning, match="demo"):
        frame = finetune.results(namespace="team", store=folder.as_uri())
    assert set(frame.experiment) == {"demo", "other"}
    assert frame.set_index(["experiment", "task", "metric"]).best["other", "rte", "accuracy"] == 0.7


def test_runs_tells_of_every_planned_run_and_how_it_stands(plan: Plan, folder: Path) -> None:
    frame = finetune.runs(str(folder / "team" / "demo")).set_index(["task", "run"])
    assert dict(frame.state) == {
        ("rte", 0): "Succeeded",
        ("rte", 1): "Succeeded",
        ("rte", 2): "Failed",
        ("cola", 0): "Running",
    }
    assert frame.value["rte", 1] == frame["metric_accuracy"]["rte", 1] == 0.65
    assert frame.message["rte", 2] == "no such column"
    assert (frame.step["cola", 0], frame.steps["cola", 0]) == (25, 100)
    assert list(frame.run_id) == [run.run_id for run in plan.runs]


def test_metrics_has_every_evaluation_of_every_run(plan: Plan, folder: Path) -> None:
    frame = finetune.metrics("demo", namespace="team", store=str(folder))
    assert len(frame) == 3 + 3 + 1
    curve = frame[(frame.task == "rte") & (frame.run == 1)]
    assert list(curve.step) == [25, 50, 75]
    assert list(curve.accuracy)[:2] == [0.5, 0.65]
    assert math.isnan(list(curve.accuracy)[2])
    assert set(finetune.metrics("demo", task="cola", namespace="team", store=str(folder)).task) == {"cola"}


def test_metrics_before_the_first_evaluation_is_an_empty_frame_of_the_same_columns(
    store: DirectoryStore, folder: Path
) -> None:
    made = plan_of({"rte": 1})
    store.put(layout_of(made).plan, made.to_bytes())
    frame = finetune.metrics("demo", namespace="team", store=str(folder))
    assert frame.empty
    assert {"task", "run", "step"} <= set(frame.columns)


def test_trials_has_every_trial_those_under_way_included(store: DirectoryStore, folder: Path) -> None:
    searched = running_search(store)
    frame = finetune.trials("hunt", namespace="team", store=str(folder))
    assert len(frame) == 5
    assert list(frame[frame.state == "Unfinished"]["index"]) == [4]
    finished = frame[frame.state != "Unfinished"].set_index("index")
    for one in mixed_trials(searched, 4):
        assert finished.learningRate[one.index] == one.config["learningRate"]


def test_compare_has_a_row_a_task_and_one_of_the_whole(store: DirectoryStore, folder: Path) -> None:
    finished_experiment(store, "before", 0.60, 0.61, 0.62)
    finished_experiment(store, "after", 0.70, 0.72, 0.71)
    frame = finetune.compare("before", "after", namespace="team", store=str(folder)).set_index("kind")
    assert frame.difference["metric"] == pytest.approx(0.1)
    assert frame.verdict["metric"] == "better"
    assert frame.difference["score"] == pytest.approx(10)


def test_run_ids_of_digits_stay_text(store: DirectoryStore, folder: Path) -> None:
    made = plan_of({"rte": 1})
    planned = made.runs[0].model_copy(update={"run_id": "000123"})
    made = made.model_copy(update={"runs": (planned,)})
    store.put(layout_of(made).plan, made.to_bytes())
    finish_run(store, made, "rte", 0, 0.6)
    build(store, made, (), open_data=no_data, plots=False)
    frame = finetune.results("demo", namespace="team", store=str(folder))
    assert list(frame.best_run_id.unique()) == ["000123"]


def test_errors_say_what_there_is(plan: Plan, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no task qqp\s+It has rte, cola"):
        finetune.metrics("demo", task="qqp", namespace="team", store=str(folder))
    with pytest.raises(NotFoundError, match="no experiment team/absent"):
        finetune.runs("absent", namespace="team", store=str(folder))
    assert issubclass(NotFoundError, finetune.FinetuneError)
