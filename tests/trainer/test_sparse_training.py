"""Zeros stay zero through training steps of the real Trainer, and what happens if they do not."""

import math
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from finetune_core.api import Precision
from finetune_core.planning.settings import Settings
from finetune_core.results.run import ExitCode, FailureReason
from finetune_core.tasks.sparse import SparseType
from finetune_trainer.data.padding import Padding
from finetune_trainer.data.tokens import Collator
from finetune_trainer.errors import GaveUpError
from finetune_trainer.run.training import make_trainer
from finetune_trainer.sparse import SparsityGuard
from finetune_trainer.sparse.masks import Rezeroing, census, masked_modules, off_weights_moved
from support.sparse_models import classifier, pruned, random_tokens

STEPS = 3


class Watch(transformers.TrainerCallback):
    """What is not zero after each step, and how often there was one."""

    def __init__(self, model):
        self.modules = masked_modules(model)
        self.moved = []

    def on_step_end(self, args, state, control, **kwargs):
        self.moved.append(sum(off_weights_moved(self.modules).values()))


def train(model, callbacks, seed=0, **settings):
    tokens = random_tokens(rows=24, seed=seed)
    made = Settings(max_steps=STEPS, eval_steps=STEPS, train_batch_size=8, metric_for_best_model="accuracy", **settings)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(
            made,
            model=model,
            tokens=tokens,
            collator=Collator(tokens, padding=Padding(0), label_order=np.arange(2)),
            evaluate=lambda _: {"accuracy": 0.0},
            callbacks=callbacks,
            folder=Path(folder),
            seed=seed,
        )
        trainer.train()


@pytest.fixture(scope="module")
def models(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sparse")
    return {
        (kind, sparsity): pruned(shared / "model", folder / f"{kind}-{sparsity}", kind, sparsity)
        for kind in SparseType
        for sparsity in (0.3, 0.9)
    }


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(SparseType),
    sparsity=st.sampled_from([0.3, 0.9]),
    learning_rate=st.sampled_from([1e-5, 1e-3, 1e-1, 10.0]),
    weight_decay=st.sampled_from([0.0, 0.01, 0.5]),
    max_grad_norm=st.sampled_from([0.0, 1e-3, 1.0]),
    per_device_train_batch_size=st.sampled_from([1, 4, 8]),
    precision=st.sampled_from([Precision.FP32, Precision.BF16]),
    seed=st.integers(0, 1000),
)
def test_zeros_are_zero_after_every_step(models, kind, sparsity, **training):
    model = classifier(models[kind, sparsity])
    before = census(model)
    biases = [one.detach().clone() for name, one in model.named_parameters() if name.endswith("query.bias")]
    guard, watch = SparsityGuard(model), Watch(model)
    train(model, [*guard.callbacks, watch], **training)
    assert watch.moved == [0] * STEPS
    record = guard.record()
    assert record.type == kind
    assert record.before == before
    assert record.after.masked == before.masked
    assert record.after.non_zero <= before.weights - before.masked
    trained = [one for name, one in model.named_parameters() if name.endswith("query.bias")]
    assert any(not torch.equal(one, other) for one, other in zip(biases, trained, strict=True))


def test_without_rezeroing_the_same_training_moves_them_and_the_guard_says_so(models):
    model = classifier(models[SparseType.ENCODER, 0.9])
    guard, watch = SparsityGuard(model), Watch(model)
    train(model, [watch], precision=Precision.FP32, learning_rate=1e-3)
    assert all(watch.moved)
    for look in (lambda: guard.check("now"), lambda: guard.census("now"), guard.record):
        with pytest.raises(GaveUpError, match=r"masked weights are not zero any more.*layer\.") as caught:
            look()
        assert caught.value.reason == FailureReason.SPARSITY_LOST
        assert caught.value.exit_code == ExitCode.GAVE_UP


def test_a_single_weight_that_moved_is_found(models):
    model = classifier(models[SparseType.FULL, 0.3])
    guard = SparsityGuard(model)
    layer = model.bert.encoder.layer[1].output.dense
    layer.weight.data[tuple(torch.nonzero(layer.zero_mask)[0])] = 1e-30
    with pytest.raises(GaveUpError, match=r"^1 masked weights .* 1 of them in bert\.encoder\.layer\.1\.output\.dense"):
        guard.check("here")


def test_masks_that_were_exchanged_are_found(models):
    model = classifier(models[SparseType.ENCODER, 0.3])
    guard = SparsityGuard(model)
    layer = model.bert.encoder.layer[0].intermediate.dense
    layer.zero_mask[tuple(torch.nonzero(layer.zero_mask)[0])] = False
    with pytest.raises(GaveUpError, match="the masks are no longer those of the checkpoint"):
        guard.check("here")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, -1e-5])
def test_rezeroing_ends_whatever_a_step_left_and_nothing_else(models, value, dtype):
    model = classifier(models[SparseType.FULL, 0.9]).to(dtype)
    modules = masked_modules(model)
    model.bert.encoder.layer[0].output.dense.weight.data[0] = value
    expected = {name: one.weight.detach().masked_fill(one.zero_mask, 0.0) for name, one in modules.items()}
    for module in modules.values():
        module.weight.data[module.zero_mask] = value
    rezero = Rezeroing(modules)
    rezero()
    assert not off_weights_moved(modules)
    for name, module in modules.items():
        bits = torch.uint8  # not a number is not equal to itself
        assert torch.equal(module.weight.detach().view(bits), expected[name].view(bits))


def test_a_step_that_a_gradient_scaler_skips_leaves_the_zeros(models):
    """fp16 is for GPUs; its scaler works on a CPU too, and its first steps are often skipped as the loss overflows."""
    model = classifier(models[SparseType.ENCODER, 0.9])
    guard = SparsityGuard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    batch = Collator(random_tokens(8), padding=Padding(0), label_order=np.arange(2))(list(range(8)))
    scales = []
    for _ in range(40):
        scaler.scale(model(**batch).loss * 1e3).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        guard.rezero()
        guard.check("after a step")
        optimizer.zero_grad()
        scales.append(scaler.get_scale())
    assert scales[0] < 2.0**127
    assert any(scale == after for scale, after in pairwise(scales)), "no step was made"


def test_a_dense_model_is_left_alone(shared):
    guard = SparsityGuard(classifier(shared / "model"))
    assert guard.callbacks == []
    assert guard.census("now") is None
    assert guard.record() is None
