"""The same rows in GLUE's three layouts give the same run: byte for byte the same predictions, the same metrics."""

import pytest
import yaml

from finetune_core.planning.plan import JobPlan, ResolvedData
from finetune_core.results.run import ExitCode
from finetune_core.tasks.data_files import DataLayout, SplitFiles
from finetune_core.tasks.registry import GLUE_TASKS
from glue_demo import write
from support.trainer_runs import Workspace

HUB = "nyu-mll/glue"
TRAINING = {"maxSteps": 4, "evalSteps": 2, "maxSeqLength": 32, "learningRate": 1e-3}
TASKS = [{"name": name, "runs": 1, "training": TRAINING} for name in GLUE_TASKS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Generated data for all nine tasks and AX: `tsv`, `parquet`, and `hub`, a working folder that holds a data set."""
    root = tmp_path_factory.mktemp("layouts")
    found = write(root, layout="both", train_rows=40, dev_rows=24, test_rows=24)
    data_set = root / "hub" / HUB
    data_set.parent.mkdir(parents=True)
    data_set.symlink_to(found["parquet"])
    configs = [
        {
            "config_name": task.name,
            "data_files": [
                {"split": path.name.split("-0")[0], "path": f"{task.name}/{path.name}"}
                for path in sorted((data_set / task.name).glob("*.parquet"))
            ],
        }
        for task in GLUE_TASKS.values()
    ]
    configs.append({"config_name": "ax", "data_files": [{"split": "test", "path": "ax/test-*.parquet"}]})
    (data_set / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    return {**found, "hub": root / "hub"}


def from_hub(job: JobPlan) -> JobPlan:
    """The plan as it would be for data of the hub. `load_dataset` reads a folder of that name just so."""
    data = ResolvedData(uri=f"hf://{HUB}", digest="hub", splits=SplitFiles(layout=DataLayout.HUB, files={}))
    tasks = {name: task.model_copy(update={"data": data}) for name, task in job.plan.tasks.items()}
    return job.model_copy(update={"plan": job.plan.model_copy(update={"tasks": tasks})})


def outcome(workspace: Workspace, job: JobPlan) -> dict[str, object]:
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    found = {}
    for place, run in enumerate(job.plan.runs):
        result, layout = workspace.result(job, place), workspace.layout(job, place)
        files = {
            name: (workspace.store / layout.predictions(result.attempt, name)).read_bytes()
            for name in result.predictions
        }
        found[run.task] = (result.seed, result.metrics, files)
    return found


def test_all_tasks_and_ax_give_the_same_predictions_from_every_layout(shared, folders, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(folders["hub"])
    outcomes = {}
    for layout in ("tsv", "parquet", "hub"):
        (tmp_path / layout).mkdir()
        workspace = Workspace(tmp_path / layout, shared / "model", folders["parquet" if layout == "hub" else layout])
        job = workspace.plan(TASKS, runs_per_pod=len(TASKS))
        outcomes[layout] = outcome(workspace, from_hub(job) if layout == "hub" else job)

    assert "AX.tsv" in outcomes["tsv"]["mnli"][2]
    assert outcomes["tsv"] == outcomes["parquet"] == outcomes["hub"]
