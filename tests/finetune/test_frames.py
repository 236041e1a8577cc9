import math
from collections.abc import Callable
from pathlib import Path

import pytest

import finetune
from finetune_client.errors import NotFoundError, UsageError
from finetune_core.planning.plan import Plan
from finetune_core.tables.experiment import RESULTS_COLUMNS
from finetune_report.build import build
from finetune_store import DirectoryStore
from support.filled_store import finished_experiment, no_data, running_experiment, running_search
from support.report_store import finish_predicted_run, finish_run, layout_of
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
        assert finished.learning_rate[one.index] == one.config["learningRate"]


def test_compare_has_a_row_a_task_and_one_of_the_whole(store: DirectoryStore, folder: Path) -> None:
    finished_experiment(store, "before", 0.60, 0.61, 0.62)
    finished_experiment(store, "after", 0.70, 0.72, 0.71)
    frame = finetune.compare("before", "after", namespace="team", store=str(folder)).set_index("kind")
    assert frame.difference["metric"] == pytest.approx(0.1)
    assert frame.verdict["metric"] == "better"
    assert frame.difference["score"] == pytest.approx(10)


def test_dev_predictions_have_a_row_a_run_and_row_of_the_dev_set(store: DirectoryStore, folder: Path) -> None:
    made = plan_of({"rte": 2})
    store.put(layout_of(made).plan, made.to_bytes())
    finish_predicted_run(store, made, "rte", 0, "0110", "0111")
    finish_run(store, made, "rte", 1, 0.6)
    frame = finetune.dev_predictions("demo", task="rte", namespace="team", store=str(folder))
    assert list(frame.columns) == [
        "namespace", "experiment", "model", "task", "run", "run_id", "seed", "split", "data", "index", "label",
        "prediction", "probability",
    ]  # fmt: skip
    assert [*zip(frame["index"], frame.label, frame.prediction, frame.probability, strict=True)] == [
        (0, "0", "0", 0.9), (1, "1", "1", 0.9), (2, "1", "1", 0.9), (3, "0", "1", 0.9)
    ]  # fmt: skip
    assert set(frame.run_id) == {made.runs[0].run_id}


def test_without_any_dev_predictions_the_frame_is_empty_and_has_its_columns(plan: Plan, folder: Path) -> None:
    frame = finetune.dev_predictions("demo", namespace="team", store=str(folder))
    assert frame.empty
    assert {"task", "label", "prediction"} <= set(frame.columns)


def test_compare_items_has_a_row_of_all_models_and_one_of_each_pair(store: DirectoryStore, folder: Path) -> None:
    for name, guesses in (("before", "0100"), ("after", "0110")):
        made = plan_of({"rte": 2}).model_copy(update={"experiment": name})
        store.put(layout_of(made).plan, made.to_bytes())
        for run in range(2):
            finish_predicted_run(store, made, "rte", run, "0110", guesses)
        build(store, made, (), open_data=no_data, plots=False)
    where = {"namespace": "team", "store": str(folder)}
    frame = finetune.compare_items("before", "after", **where)
    assert list(frame.kind) == ["bootstrap", "mcnemar", "mcnemar"]
    assert list(frame.columns[:2]) == ["before", "after"]
    assert (set(frame.before), set(frame.after)) == ({"team/before"}, {"team/after"})
    assert (frame.before_value[0], frame.after_value[0], frame.difference[0]) == (0.75, 1.0, 0.25)
    assert list(frame.only_after[1:]) == [1, 1]
    assert list(frame.p[1:]) == [1, 1]
    two = finetune.compare_items("before", "after", runs=("rte/0", "rte/1"), **where)
    assert list(two.before_seed[1:]) == [made.runs[0].seed]


def test_run_ids_of_digits_stay_text(store: DirectoryStore, folder: Path) -> None:
    made = plan_of({"rte": 1})
    planned = made.runs[0].model_copy(update={"run_id": "000123"})
    made = made.model_copy(update={"runs": (planned,)})
    store.put(layout_of(made).plan, made.to_bytes())
    finish_run(store, made, "rte", 0, 0.6)
    build(store, made, (), open_data=no_data, plots=False)
    frame = finetune.results("demo", namespace="team", store=str(folder))
    assert list(frame.best_run_id.unique()) == ["000123"]


def test_every_frame_says_whose_rows_it_has_and_takes_many_names(
    plan: Plan, store: DirectoryStore, folder: Path
) -> None:
    other = finished_experiment(store, "other", 0.7, 0.8)
    running_search(store)
    where = {"namespace": "team", "store": str(folder)}
    for frame in (finetune.runs("demo", "other", **where), finetune.metrics("demo", "other", **where)):
        assert list(frame.columns[:3]) == ["namespace", "experiment", "model"]
        assert list(frame.experiment.unique()) == ["demo", "other"]
        assert set(frame.model) == {other.model.uri}
    searched = finetune.trials("hunt", **where)
    assert list(searched.columns[:3]) == ["namespace", "search", "model"]
    assert set(searched.search) == {"hunt"}


def test_runs_have_the_hyperparameters_of_their_task(plan: Plan, folder: Path) -> None:
    frame = finetune.runs("demo", namespace="team", store=str(folder)).set_index(["task", "run"])
    for planned in plan.runs:
        settings = plan.tasks[planned.task].settings
        assert frame.learning_rate[planned.task, planned.run] == settings.learning_rate
        assert frame.max_steps[planned.task, planned.run] == settings.max_steps


def test_whole_numbers_and_times_are_what_they_are_and_names_are_pythons(
    plan: Plan, store: DirectoryStore, folder: Path
) -> None:
    running_search(store)
    where = {"namespace": "team", "store": str(folder)}
    runs, curves, searched = (
        finetune.runs("demo", **where),
        finetune.metrics("demo", **where),
        finetune.trials("hunt", **where),
    )
    with pytest.warns(UserWarning, match="demo"):
        results = finetune.results("demo", **where)
    # Of runs that are missing, too: no 25.0 and no NaN.
    assert {str(runs[name].dtype) for name in ("run", "seed", "step", "steps", "max_steps")} == {"Int64"}
    assert {str(curves[name].dtype) for name in ("run", "seed", "step")} == {"Int64"}
    assert {str(results[name].dtype) for name in ("n", "best_run", "planned", "failed", "step")} == {"Int64"}
    assert {str(searched[name].dtype) for name in ("index", "step")} == {"Int64"}
    assert str(searched.started_at.dtype).endswith("UTC]")
    assert str(curves.time.dtype).endswith("UTC]")
    for frame in (runs, curves, searched, results):
        assert [name for name in frame.columns if name != name.lower()] == []


@pytest.mark.parametrize("ask", [finetune.runs, finetune.metrics, finetune.trials])
def test_without_a_name_it_is_said(ask: Callable[..., object], folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no name is given\s+Give one or more: finetune\.runs"):
        ask(namespace="team", store=str(folder))


def test_errors_speak_of_arguments_not_of_options(plan: Plan, folder: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        finetune.runs("absent", namespace="team", store=str(folder))
    assert "namespace (namespace=) and store=" in str(caught.value)
    assert "--" not in str(caught.value)


def test_remedies_are_calls_where_there_are_calls(store: DirectoryStore, folder: Path) -> None:
    running_search(store)
    finished_experiment(store, "other", 0.7)
    where = {"namespace": "team", "store": str(folder)}
    with pytest.raises(UsageError, match=r'Name two: finetune\.compare\("untuned", "tuned"\)'):
        finetune.compare("other", "other", **where)
    with pytest.raises(UsageError, match=r'finetune\.trials\("hps/hunt"\) has its trials'):
        finetune.results("hps/hunt", **where)


def test_one_is_compared_with_many(store: DirectoryStore, folder: Path) -> None:
    for name, values in (("base", (0.60, 0.62)), ("one", (0.70, 0.72)), ("two", (0.50, 0.52))):
        finished_experiment(store, name, *values)
    frame = finetune.compare("base", "one", "two", namespace="team", store=str(folder))
    told = frame[frame.kind == "metric"].set_index("after")
    assert set(frame.before) == {"team/base"}
    assert dict(told.difference.round(3)) == {"team/one": 0.1, "team/two": -0.1}


def test_errors_say_what_there_is(plan: Plan, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no task qqp\s+It has rte, cola"):
        finetune.metrics("demo", task="qqp", namespace="team", store=str(folder))
    with pytest.raises(NotFoundError, match="no experiment team/absent"):
        finetune.runs("absent", namespace="team", store=str(folder))
    assert issubclass(NotFoundError, finetune.FinetuneError)
