"""Whole runs of the trainer as a process: results, predictions, failures, interruption and resumption."""

import hashlib
import json
import shutil
import signal
import time
from functools import partial

import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from finetune_core.planning.plan import ExecutionLimits
from finetune_core.results.evaluation import read_lines
from finetune_core.results.run import ExitCode, Failure, Phase
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_store import S3Connection, open_store
from finetune_trainer.inputs import Inputs
from finetune_trainer.run import run as running
from finetune_trainer.run.progress import Reporter
from finetune_trainer.run.signs import signs_of_moves
from support.checkpoints import pointers
from support.trainer_runs import Workspace

TRAINING = {"maxSteps": 6, "evalSteps": 4, "maxSeqLength": 32, "learningRate": 1e-3}
LONG = {"maxSteps": 80, "evalSteps": 20, "maxSeqLength": 32, "learningRate": 1e-3}


def task(name, runs=1, **training):
    return {"name": name, "runs": runs, "training": {**TRAINING, **training}}


def lines(path):
    return [evaluation.row() for evaluation in read_lines(path.read_bytes())]


def wait_for(condition, process, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the trainer ended too early"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_every_glue_task_ends_with_a_result_and_the_leaderboards_files(workspace):
    job = workspace.plan([task(name) for name in GLUE_TASKS], runs_per_pod=9)
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    for place, run in enumerate(job.plan.runs):
        result = workspace.result(job, place)
        definition = GLUE_TASKS[run.task]
        assert set(definition.metrics) <= set(result.metrics)
        assert result.evaluations == 2
        assert result.last_step == 6
        assert set(result.predictions) == {file.name for file in definition.submission}
        for file in definition.submission:
            content = (workspace.store / workspace.layout(job, place).predictions("attempt-1", file.name)).read_bytes()
            head, *rows = content.decode().splitlines()
            assert head == "index\tprediction"
            assert [row.split("\t")[0] for row in rows] == [str(index) for index in range(24)]
            if file.written:
                assert {row.split("\t")[1] for row in rows} <= set(file.written.values())
        require_what_metrics_say(workspace, result, workspace.layout(job, place), definition)


def require_what_metrics_say(workspace, result, layout, definition):
    """The kept dev predictions are those of the best evaluation: scikit-learn and scipy give its metrics again."""
    assert set(result.dev_predictions) == {f"{split}.tsv" for split in definition.evaluation_splits.values()}
    for name, record in result.dev_predictions.items():
        path = workspace.store / layout.dev_predictions("attempt-1", name)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == record.sha256
        frame = pd.read_csv(path, sep="\t", dtype={"label": str, "prediction": str})
        assert (len(frame), record.rows) == (48, 48)
        assert list(frame["index"]) == list(range(48))
        if definition.labels:
            accuracy = sk.accuracy_score(frame.label, frame.prediction)
            assert result.metrics.get(f"{record.prefix}accuracy", accuracy) == pytest.approx(accuracy)
            positive = definition.labels[1]
            assert record.positive == (positive if len(definition.labels) == 2 else None)
            if "f1" in definition.metrics:
                f1 = sk.f1_score(frame.label, frame.prediction, pos_label=positive, zero_division=0)
                assert result.metrics["f1"] == pytest.approx(f1)
            assert frame.probability.between(1 / len(definition.labels) - 1e-6, 1).all()
        else:
            label, prediction = frame.label.astype(float), frame.prediction.astype(float)
            assert record.regression
            assert result.metrics["pearson"] == pytest.approx(stats.pearsonr(label, prediction)[0])
            assert frame.probability.isna().all()


def test_metrics_are_one_line_an_evaluation_at_every_interval_and_at_the_last_step(workspace):
    job = workspace.plan([task("rte")])
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    rows = lines(workspace.store / workspace.layout(job).metrics("attempt-1"))
    assert [row["step"] for row in rows] == [4, 6]
    assert all({"accuracy", "loss", "epoch", "learningRate", "trainLoss", "time"} <= row.keys() for row in rows)


def test_a_run_gives_signs_of_life_in_the_phases_that_have_no_steps(workspace, monkeypatch):
    phases = set()
    monkeypatch.setattr(running, "signs_of_moves", partial(signs_of_moves, every=0.001))
    monkeypatch.setattr(Reporter, "renew", lambda reporter: phases.add(reporter._phase))
    assert workspace.run(workspace.plan([task("rte")]))[0] == ExitCode.SUCCESS
    assert phases >= {Phase.TRAINING, Phase.PREDICTING}


def test_a_run_with_a_result_is_not_done_again(workspace):
    job = workspace.plan([task("rte")])
    assert workspace.run(job)[0] == ExitCode.SUCCESS
    code, log = workspace.run(job, attempt="attempt-2")
    assert code == ExitCode.SUCCESS
    assert "has its result already" in log
    assert workspace.result(job).attempt == "attempt-1"


def test_the_same_run_twice_gives_the_same_numbers(workspace, tmp_path):
    job = workspace.plan([task("cola")])
    workspace.run(job)
    first = workspace.result(job)
    (workspace.store / workspace.layout(job).result).unlink()
    workspace.run(job, attempt="attempt-2")
    second = workspace.result(job)
    assert first.metrics == second.metrics
    assert first.predictions == second.predictions
    assert first.dev_predictions == second.dev_predictions
    assert second.token_cache == "store"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_goes_on_from_its_checkpoint_to_the_same_numbers(workspace, number):
    # One at each step: a short run is then at work for long enough.
    limits = ExecutionLimits(checkpoint_interval_seconds=0)
    undisturbed = workspace.plan([{"name": "rte", "runs": 1, "training": LONG}])
    assert workspace.run(undisturbed, attempt="whole")[0] == ExitCode.SUCCESS
    expected = workspace.result(undisturbed)
    expected_lines = lines(workspace.store / workspace.layout(undisturbed).metrics("whole"))
    (workspace.store / workspace.layout(undisturbed).result).unlink()

    job = workspace.plan([{"name": "rte", "runs": 1, "training": LONG}], limits=limits)
    process = workspace.start(job, attempt="first")
    layout = workspace.layout(job)
    metrics = workspace.store / layout.metrics("first")
    wait_for(lambda: pointers(workspace.store, layout) if number == signal.SIGKILL else metrics.exists(), process)
    process.send_signal(number)
    process.wait(timeout=180)
    assert process.returncode == (ExitCode.INTERRUPTED if number == signal.SIGTERM else -signal.SIGKILL)
    assert not (workspace.store / layout.result).exists()

    code, log = workspace.run(job, attempt="second")
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    assert result.resumed_from
    assert result.attempts == 3
    assert result.metrics == expected.metrics
    assert result.predictions == expected.predictions
    assert result.dev_predictions == expected.dev_predictions
    found = lines(workspace.store / layout.metrics("second"))
    assert [(row["step"], row["accuracy"]) for row in found] == [
        (row["step"], row["accuracy"]) for row in expected_lines
    ]
    assert list(open_store(f"file://{workspace.store}").list(layout.checkpoint)) == []


def test_a_label_out_of_range_fails_at_once_with_file_line_and_what_is_allowed(workspace, tmp_path):
    workspace.data = tmp_path / "bad"
    folder = workspace.data / "RTE"
    folder.mkdir(parents=True)
    rows = ["index\tsentence1\tsentence2\tlabel", "0\ta\tb\tentailment", "1\tc\td\tperhaps"]
    for name in ("train.tsv", "dev.tsv"):
        (folder / name).write_text("\n".join(rows) + "\n")
    job = workspace.plan([task("rte")])
    code, log = workspace.run(job)
    assert code == ExitCode.USER_ERROR, log
    failure = Failure.model_validate_json((workspace.store / workspace.layout(job).failure("attempt-1")).read_bytes())
    assert "RTE/train.tsv, line 3: label 'perhaps' is none of 0 (entailment), 1 (not_entailment)" in failure.message
    assert json.loads(workspace.termination_log.read_text())["message"] == failure.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "holds no examples", id="empty file"),
        pytest.param("index\tsentence1\tsentence2\tlabel\n", "holds no examples", id="header only"),
        pytest.param(
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\n",
            "line 2: 3 tab-separated columns instead of 4",
            id="missing column",
        ),
    ],
)
def test_a_malformed_file_is_the_users_mistake(workspace, tmp_path, content, message):
    workspace.data = tmp_path / "bad"
    (workspace.data / "RTE").mkdir(parents=True)
    for name in ("train.tsv", "dev.tsv"):
        (workspace.data / "RTE" / name).write_text(content)
    job = workspace.plan([task("rte")])
    code, _ = workspace.run(job)
    assert code == ExitCode.USER_ERROR
    assert message in workspace.termination_log.read_text()


def test_one_failed_run_does_not_stop_the_others_of_its_pod(workspace, shared, tmp_path):
    workspace.data = tmp_path / "mixed"
    workspace.data.mkdir()
    shutil.copytree(shared / "glue" / "WNLI", workspace.data / "WNLI")
    (workspace.data / "RTE").mkdir()
    for name in ("train.tsv", "dev.tsv"):
        (workspace.data / "RTE" / name).write_text("")
    job = workspace.plan([task("rte"), task("wnli")], runs_per_pod=2)
    code, _ = workspace.run(job)
    assert code == ExitCode.USER_ERROR
    assert workspace.result(job, 1).task == "wnli"


def test_a_run_beyond_its_timeout_gives_up_and_says_so(workspace):
    limits = ExecutionLimits(run_timeout_seconds=1)
    job = workspace.plan([{"name": "rte", "runs": 1, "training": {**LONG, "maxSteps": 100_000}}], limits=limits)
    code, _ = workspace.run(job)
    assert code == ExitCode.GAVE_UP
    failure = json.loads(workspace.termination_log.read_text())
    assert failure["reason"] == "RunTimeout"
    assert "execution.runTimeoutSeconds" in failure["message"]


def test_too_many_attempts_are_given_up(workspace):
    job = workspace.plan([task("rte")], limits=ExecutionLimits(max_attempts=1))
    store = open_store(f"file://{workspace.store}")
    store.put(f"{workspace.layout(job).attempt('earlier')}/started.json", b"{}")
    code, _ = workspace.run(job)
    assert code == ExitCode.GAVE_UP
    assert "TooManyAttempts" in workspace.termination_log.read_text()


def test_accumulated_batches_mean_the_same(workspace):
    whole = workspace.plan([task("stsb", trainBatchSize=16)])
    parts = workspace.plan([task("stsb", trainBatchSize=16, perDeviceTrainBatchSize=4)])
    assert [run.run_id for run in whole.plan.runs] == [run.run_id for run in parts.plan.runs]
    workspace.run(whole)
    first = workspace.result(whole).metrics
    (workspace.store / workspace.layout(whole).result).unlink()
    workspace.run(parts, attempt="attempt-2")
    assert workspace.result(parts).metrics["loss"] == pytest.approx(first["loss"], rel=0.05)


def test_passes_of_different_sizes_weigh_as_many_examples_as_they_have(workspace, tmp_path):
    """Of 96 examples in batches of 40, the last step has 16: a pass of 10 and one of 6."""
    model = shutil.copytree(workspace.model, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (model / "config.json").write_text(json.dumps(config))
    training = {"trainBatchSize": 40, "maxSteps": 6, "learningRate": 1e-2, "lrSchedulerType": "constant"}
    found = []
    for name, pieces in (("whole", {}), ("pieces", {"perDeviceTrainBatchSize": 10})):
        (tmp_path / name).mkdir()
        own = Workspace(tmp_path / name, model, workspace.data)
        job = own.plan([task("stsb", **training, **pieces)])
        code, log = own.run(job)
        assert code == ExitCode.SUCCESS, log
        found.append(own.result(job).metrics["loss"])
    # Were each pass a mean of its own, they would differ by 2e-6.
    assert found[1] == pytest.approx(found[0], rel=2e-7)


def test_early_stopping_ends_a_run_that_no_longer_improves(workspace):
    stopping = {"earlyStopping": {"patience": 2, "threshold": 1.0}, "maxSteps": 40, "evalSteps": 2}
    job = workspace.plan([task("rte", **stopping)])
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    assert workspace.result(job).last_step == 6


def test_bf16_works_on_a_cpu(workspace):
    job = workspace.plan([task("rte", precision="bf16")])
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log


def test_a_custom_task_needs_only_its_files_and_columns(workspace, tmp_path):
    workspace.data = tmp_path / "own"
    workspace.data.mkdir()
    rows = "text,topic\n" + "".join(f"all about {topic} number {n},{topic}\n" for n in range(12) for topic in "abc")
    for name in ("train.csv", "dev.csv"):
        (workspace.data / name).write_text(rows)
    (workspace.data / "test.jsonl").write_text('{"text": "all about b"}\n{"text": "all about c"}\n')
    own = {
        "name": "topics",
        "runs": 1,
        "problemType": "Classification",
        "labels": ["a", "b", "c"],
        "metrics": ["f1_macro", "accuracy"],
        "data": {
            "train": "train.csv",
            "validation": "dev.csv",
            "test": "test.jsonl",
            "textColumns": ["text"],
            "labelColumn": "topic",
        },
        "training": TRAINING,
    }
    job = workspace.plan([own])
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    assert result.metric == "f1_macro"
    assert result.predictions["test.tsv"].rows == 2


def test_dev_rows_that_are_training_rows_are_told_with_their_number(workspace, tmp_path):
    workspace.data = tmp_path / "own"
    workspace.data.mkdir()
    (workspace.data / "train.csv").write_text("text,label\n" + "".join(f"number {n},{n % 2}\n" for n in range(12)))
    (workspace.data / "dev.csv").write_text("text,label\n" + "".join(f"number {n},{n % 2}\n" for n in range(9, 15)))
    data = {"train": "train.csv", "validation": "dev.csv", "textColumns": ["text"]}
    own = {"name": "own", "problemType": "Classification", "labels": ["0", "1"], "data": data, "training": TRAINING}
    job = workspace.plan([{**own, "runs": 2}])

    # The second run finds the tokens that the first one left.
    for index in (0, 1):
        code, log = workspace.run(job, index)
        assert code == ExitCode.SUCCESS, log
    told = [workspace.result(job, place).warnings for place in (0, 1)]

    assert told[0] == told[1]
    (warning,) = told[0]
    assert warning.startswith("own, validation and train: 3 of 6 rows (50.0%) have texts that are in the training data")


@pytest.mark.parametrize("name", ["with space", "ha#sh", "quest?ion", "per%20cent", "ünïcode"])
def test_folders_may_have_any_name(shared, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "model").symlink_to(shared / "model")
    (folder / "glue").symlink_to(shared / "glue")
    inputs = Inputs(tmp_path, connection=S3Connection.from_env({}), retry_seconds=0, pvc_root=tmp_path)

    assert inputs.model((folder / "model").as_uri()) == folder / "model"
    assert inputs.data_file((folder / "glue").as_uri(), "RTE/train.tsv").is_file()
    assert inputs.model(f"pvc://{name}/model") == folder / "model"


def test_a_model_folder_opens_with_from_pretrained(workspace):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415

    job = workspace.plan([task("qnli")], retention={"models": "All"})
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    folder = workspace.store / workspace.result(job).model
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "entailment", 1: "not_entailment"}
    assert AutoTokenizer.from_pretrained(folder)("a")["input_ids"]


def test_a_model_that_is_not_there_is_the_users_mistake(workspace, tmp_path):
    workspace.model = tmp_path / "nothing"
    job = workspace.plan([task("rte")])
    code, _ = workspace.run(job)
    assert code == ExitCode.USER_ERROR
    assert "is not there" in workspace.termination_log.read_text()
