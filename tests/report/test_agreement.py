"""Whatever the runs left: table, pointer, weights and predictions all speak of one and the same best run."""

import csv
import io
import math
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.aggregate import summarise
from finetune_core.best import best_run
from finetune_core.outcome import Outcome
from finetune_core.results import RunResult
from finetune_core.tasks import GLUE_TASKS
from finetune_report.build import build
from finetune_store import DirectoryStore, Store
from support.report_store import fail_run, finish_run, layout_of, read_json, report_files
from support.results import plan_of

FAILED = object()
MISSING = object()
TASKS = ("cola", "mrpc", "rte", "spam", "price")

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


@settings(deadline=None, max_examples=60)
@given(experiments)
def test_table_pointer_weights_and_predictions_agree(experiment) -> None:
    runs, deciding = experiment["runs"], experiment["deciding"]
    training = {task: {"metric_for_best_model": metric} for task, metric in deciding.items() if task in runs}
    plan = plan_of(
        {task: len(values) for task, values in runs.items()},
        training=training,
        retention={"models": experiment["models"]},
    )
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        results: list[RunResult] = []
        failed: list[str] = []
        for task, outcomes in runs.items():
            others = dict.fromkeys(plan.tasks[task].definition.metrics, experiment["other"])
            for run, value in enumerate(outcomes):
                if value is FAILED:
                    failed.append(fail_run(store, plan, task, run, "why"))
                elif value is not MISSING:
                    files = prediction(task, run)
                    results.append(finish_run(store, plan, task, run, value, metrics=others, predictions=files))
        build(store, plan, failed, open_data=no_data, plots=False)

        document = read_json(store, layout_of(plan).results("json"))
        files = report_files(store, plan)
        table = list(csv.DictReader(io.StringIO(files["results.csv"].decode())))
        summary = summarise(plan, map(Outcome.of, results))
        expected = {
            task: best_run(Outcome.of(result) for result in results if result.task == task) for task in plan.tasks
        }
        for row in document["tasks"]:
            task, best = row["task"], expected[row["task"]]
            cells = [line for line in table if line["task"] == task]
            assert summary.task(task).best == best
            if best is None:
                assert row["best"] is None
                assert f"best/{task}.json" not in files
                assert {line["best_run_id"] for line in cells} == {""}
                continue
            assert best.value is not None
            assert math.isfinite(best.value)
            pointer = read_json(store, layout_of(plan).best(task))
            assert pointer == row["best"]
            assert pointer["runId"] == best.run_id
            assert {(line["best_run_id"], line["best_run"]) for line in cells} == {(best.run_id, str(best.run))}
            assert [float(line["best"]) for line in cells if line["metric"] == row["metric"]] == [best.value]
            assert best.run_id in files["results.md"].decode()
            for name, content in prediction(task, best.run).items():
                assert files[published(task, name)] == content
                assert pointer["predictions"][name] == published(task, name)
            has_model = store.stat(
                f"{layout_of(plan).root}/{pointer['folder']}/attempts/{best.attempt}/model/config.json"
            )
            assert (has_model is not None) == (experiment["models"] != "None") == (pointer["model"] is not None)
        predicted = {
            published(task, name) for task, best in expected.items() if best for name in prediction(task, best.run)
        }
        assert {name for name in files if "predictions/" in name} == predicted
        assert {run["runId"] for run in document["runs"] if run["state"] == "Failed"} == set(failed)
        assert {run["runId"] for run in document["runs"] if run["state"] == "Succeeded"} == {
            result.run_id for result in results
        }
