"""Magnitude pruning and `finetune-trainer prune`."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from finetune_core.results.run import ExitCode
from finetune_core.tasks.sparse import SparseType, covers
from finetune_trainer.cli import main
from finetune_trainer.sparse.masks import census
from finetune_trainer.sparse.pruning import magnitude_mask
from support.sparse_models import WEIGHTS, classifier


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_a_mask_takes_exactly_the_smallest(rows, columns, sparsity, seed):
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    mask = magnitude_mask(weight, sparsity)
    assert mask.sum() == round(sparsity * rows * columns)
    kept, off = weight[~mask].abs(), weight[mask].abs()
    assert not len(kept) or not len(off) or off.max() <= kept.min()


@pytest.mark.parametrize("sparsity", [0.0, 1.0, -0.5, 85, float("nan")])
def test_a_share_outside_0_and_1_is_refused(sparsity):
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        magnitude_mask(torch.ones(2, 2), sparsity)


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        magnitude_mask(torch.tensor([[1.0, float("nan")]]), 0.5)


def prune(model, output, kind=SparseType.ENCODER, sparsity="0.85"):
    return main(["prune", f"--model={model}", f"--type={kind}", f"--sparsity={sparsity}", f"--output={output}"])


@pytest.mark.parametrize("kind", SparseType)
@pytest.mark.parametrize("sparsity", [0.8, 0.85, 0.9])
def test_every_covered_matrix_loses_its_share_and_nothing_else_changes(shared, tmp_path, kind, sparsity):
    assert prune(shared / "model", tmp_path / "out", kind, sparsity) == ExitCode.SUCCESS
    before, after = load_file(shared / "model" / WEIGHTS), load_file(tmp_path / "out" / WEIGHTS)
    for name, dense in before.items():
        if covers(kind, name.removesuffix(".weight")):
            zeros = after[name] == 0
            assert int(zeros.sum()) == round(sparsity * dense.numel())
            assert torch.equal(after[name][~zeros], dense[~zeros])
        else:
            assert torch.equal(after[name], dense)
    found = census(classifier(tmp_path / "out"))
    assert found.sparsity == pytest.approx(sparsity, abs=1e-3)
    assert found.masked == found.weights - found.non_zero


def test_a_uri_as_model_and_as_output(shared, tmp_path):
    output = f"file://{tmp_path}/store/pruned"
    assert prune(f"file://{shared}/model", output) == ExitCode.SUCCESS
    assert census(classifier(tmp_path / "store" / "pruned")).sparsity == pytest.approx(0.85, abs=1e-3)
    assert prune(f"file://{shared}/model", output) == ExitCode.USER_ERROR


def failure(tmp_path, *arguments, **more):
    log = tmp_path / "termination-log"
    log.touch()
    code = main(
        [
            "prune",
            f"--termination-log={log}",
            f"--model={arguments[0]}",
            f"--output={arguments[1]}",
            f"--type={more.get('kind', SparseType.ENCODER)}",
            f"--sparsity={more.get('sparsity', 0.5)}",
        ]
    )
    assert code == ExitCode.USER_ERROR
    return json.loads(log.read_text())["message"]


def test_the_users_mistakes_are_named(shared, tmp_path):
    model = shared / "model"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "is not empty" in failure(tmp_path, model, tmp_path / "full")
    assert "is no folder" in failure(tmp_path, tmp_path / "nothing", tmp_path / "out")
    assert "85 is not between 0 and 1" in failure(tmp_path, model, tmp_path / "out", sparsity=85)
    said = failure(tmp_path, tmp_path / "full", tmp_path / "out")
    assert said.startswith("the model cannot be loaded: config.json: [Errno 2] No such file"), said
    (tmp_path / "full" / "config.json").write_text("[]")
    assert "config.json is list, no object: replace it" in failure(tmp_path, tmp_path / "full", tmp_path / "out")
    assert prune(model, tmp_path / "once") == ExitCode.SUCCESS
    message = failure(tmp_path, tmp_path / "once", tmp_path / "twice")
    assert "only a dense BERT can be pruned" in message
    assert not (tmp_path / "out").exists()
