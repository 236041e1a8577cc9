"""Whole runs of sparse models: records, saved models, resumption, and runs that lose their zeros."""

import json
import shutil
import signal
import time

import pytest
from transformers import AutoModelForSequenceClassification

from finetune_core.results.evaluation import read_lines
from finetune_core.results.run import ExitCode, Failure
from finetune_core.tasks.sparse import SparseType
from finetune_trainer.sparse.guard import RezeroWeights
from finetune_trainer.sparse.masks import census
from support.checkpoints import files, point_anew, pointers
from support.sparse_models import pruned, rewrite
from support.trainer_runs import Workspace

TRAINING = {"maxSteps": 6, "evalSteps": 4, "maxSeqLength": 32, "learningRate": 1e-2, "weightDecay": 0.1}
PARTS = {"trainBatchSize": 16, "perDeviceTrainBatchSize": 4}


def lines(workspace, job, attempt="attempt-1"):
    content = (workspace.store / workspace.layout(job).metrics(attempt)).read_bytes()
    return [evaluation.row() for evaluation in read_lines(content)]


def failure(workspace, job, attempt="attempt-1"):
    return Failure.model_validate_json((workspace.store / workspace.layout(job).failure(attempt)).read_bytes())


@pytest.fixture
def sparse(workspace, shared, tmp_path):
    workspace.model = pruned(shared / "model", tmp_path / "pruned", SparseType.ENCODER, 0.85)
    return workspace


def plan(workspace, **training):
    task = {"name": "rte", "runs": 1, "training": {**TRAINING, **training}}
    return workspace.plan([task], retention={"models": "All"})


@pytest.mark.parametrize(
    ("kind", "precision"),
    [(SparseType.ENCODER, "fp32"), (SparseType.NON_ATTENTION, "bf16"), (SparseType.FULL, "bf16")],
)
def test_sparsity_after_is_sparsity_before_exactly(workspace, shared, tmp_path, kind, precision):
    workspace.model = pruned(shared / "model", tmp_path / "pruned", kind, 0.85)
    job = plan(workspace, precision=precision, **PARTS)
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    assert result.sparsity.type == kind
    assert result.sparsity.before == result.sparsity.after
    assert result.sparsity.after.sparsity == pytest.approx(0.85, abs=1e-3)
    rows = lines(workspace, job)
    assert [row["step"] for row in rows] == [4, 6]
    assert {row["sparsity"] for row in rows} == {result.sparsity.before.sparsity}
    assert {row["nonZeroParameters"] for row in rows} == {result.sparsity.before.non_zero_parameters}
    saved = AutoModelForSequenceClassification.from_pretrained(workspace.store / result.model)
    assert saved.config.model_type == kind
    assert census(saved) == result.sparsity.after


def test_a_dense_run_says_nothing_of_sparsity(workspace):
    job = plan(workspace)
    assert workspace.run(job)[0] == ExitCode.SUCCESS
    assert workspace.result(job).sparsity is None
    assert not {"sparsity", "nonZeroParameters"} & lines(workspace, job)[0].keys()


def test_the_type_in_the_spec_makes_a_bert_with_zeros_sparse(sparse):
    config = json.loads((sparse.model / "config.json").read_text())
    (sparse.model / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    task = {"name": "rte", "runs": 1, "training": TRAINING}
    model = {"uri": f"file://{sparse.model}"}
    job = sparse.plan([task], model={**model, "type": SparseType.ENCODER})
    dense = sparse.plan([task], model=model)
    assert job.plan.runs[0].run_id != dense.plan.runs[0].run_id
    code, log = sparse.run(job)
    assert code == ExitCode.SUCCESS, log
    assert sparse.result(job).sparsity.after.sparsity == pytest.approx(0.85, abs=1e-3)


def test_a_run_whose_zeros_are_not_kept_fails_and_says_so(sparse, monkeypatch):
    monkeypatch.setattr(RezeroWeights, "on_optimizer_step", lambda *_, **__: None)
    job = plan(sparse)
    code, _ = sparse.run(job)
    assert code == ExitCode.GAVE_UP
    found = failure(sparse, job)
    assert found.reason == "SparsityLost"
    assert "masked weights are not zero any more at step 4" in found.message
    assert json.loads(sparse.termination_log.read_text())["reason"] == "SparsityLost"
    assert not (sparse.store / sparse.layout(job).result).exists()


def test_a_dense_model_given_as_sparse_is_the_users_mistake(workspace):
    task = {"name": "rte", "runs": 1, "training": TRAINING}
    job = workspace.plan([task], model={"uri": f"file://{workspace.model}", "type": SparseType.ENCODER})
    code, _ = workspace.run(job)
    assert code == ExitCode.USER_ERROR
    assert "needs a checkpoint with zeros, but 0 of the 16384 weights" in failure(workspace, job).message


@pytest.fixture(scope="module")
def interrupted(shared, tmp_path_factory):
    """A sparse run that was told to stop, once; its folder is copied for each test."""
    root = tmp_path_factory.mktemp("interrupted")
    model = pruned(shared / "model", root / "pruned", SparseType.FULL, 0.85)
    workspace = Workspace(root / "work", model, shared / "glue")
    workspace.root.mkdir()
    job = plan(workspace, maxSteps=40, evalSteps=4)
    assert workspace.run(job, attempt="whole")[0] == ExitCode.SUCCESS
    whole = workspace.result(job)
    (workspace.store / workspace.layout(job).result).unlink()

    process = workspace.start(job, attempt="first")
    metrics = workspace.store / workspace.layout(job).metrics("first")
    while not metrics.exists():
        assert process.poll() is None, workspace.log.read_text()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=180)
    assert process.returncode == ExitCode.INTERRUPTED
    return workspace, job, whole


@pytest.fixture
def stopped(interrupted, tmp_path):
    workspace, job, whole = interrupted
    shutil.copytree(workspace.root, tmp_path / "work")
    return Workspace(tmp_path / "work", workspace.model, workspace.data), job, whole


def test_a_resumed_run_keeps_its_zeros_and_comes_to_the_same_numbers(stopped):
    workspace, job, whole = stopped
    code, log = workspace.run(job, attempt="second")
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    assert result.resumed_from
    assert result.sparsity == whole.sparsity
    assert result.sparsity.before == result.sparsity.after
    assert result.metrics == whole.metrics
    assert {row["sparsity"] for row in lines(workspace, job, "second")} == {whole.sparsity.before.sparsity}


def altered(tensors):
    name = "bert.encoder.layer.0.attention.self.key"
    return {**tensors, f"{name}.weight": tensors[f"{name}.weight"] + tensors[f"{name}.zero_mask"].float()}


def unmasked(tensors):
    return {name: one & False if name.endswith("zero_mask") else one for name, one in tensors.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(altered, "not zero any more before the first step", id="weights"),
        pytest.param(unmasked, "masks are no longer those of the checkpoint before the first step", id="masks"),
    ],
)
def test_a_checkpoint_that_lost_its_zeros_fails_the_run(stopped, change, message):
    workspace, job, _ = stopped
    (pointer,) = pointers(workspace.store, workspace.layout(job))
    rewrite(files(pointer), change)
    point_anew(pointer)
    code, log = workspace.run(job, attempt="second")
    assert code == ExitCode.GAVE_UP, log
    assert message in failure(workspace, job, "second").message
    assert not (workspace.store / workspace.layout(job).result).exists()
