"""Training arguments as Hugging Face's Trainer is told them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from finetune_core.planning.arguments.model import Argument
from finetune_core.planning.arguments.table import ARGUMENTS
from finetune_core.results.run import ExitCode
from finetune_trainer.data.padding import Padding
from finetune_trainer.data.tokens import Collator
from finetune_trainer.run.arguments import training_arguments
from finetune_trainer.run.training import RunTrainer, make_trainer
from support.results import settings_for
from support.sparse_models import random_tokens

THEIRS = {field.name: field for field in dataclasses.fields(transformers.TrainingArguments)}
PASSED = [argument for argument in ARGUMENTS.values() if argument.passed]


@pytest.mark.parametrize("argument", PASSED, ids=lambda argument: argument.name)
def test_what_is_passed_has_the_name_that_hugging_face_gives_it(argument: Argument) -> None:
    assert argument.script_names[0] in THEIRS


@pytest.mark.parametrize("argument", PASSED, ids=lambda argument: argument.name)
def test_a_later_argument_means_by_default_what_the_trainer_did_before(argument: Argument) -> None:
    """Else the same run id would stand for another training."""
    assert argument.since is None or THEIRS[argument.script_names[0]].default == argument.default


def test_every_value_arrives(tmp_path: Path) -> None:
    settings = settings_for(
        "rte",
        max_steps=40,
        eval_steps=20,
        learning_rate=1e-4,
        lr_scheduler_type="cosine",
        warmup_steps=7,
        train_batch_size=16,
        per_device_train_batch_size=4,
        weight_decay=0.1,
        adam_beta1=0.8,
        adam_beta2=0.99,
        adam_epsilon=1e-6,
        max_grad_norm=0.5,
    )
    told = training_arguments(settings, folder=tmp_path, seed=3)
    assert (told.max_steps, told.eval_steps, told.logging_steps, told.warmup_steps) == (40, 20, 20, 7)
    assert (told.learning_rate, told.lr_scheduler_type, told.weight_decay) == (1e-4, "cosine", 0.1)
    assert (told.adam_beta1, told.adam_beta2, told.adam_epsilon, told.max_grad_norm) == (0.8, 0.99, 1e-6, 0.5)
    assert told.per_device_train_batch_size * told.gradient_accumulation_steps == 16
    assert (told.bf16, told.fp16, told.seed) == (False, False, 3)


def test_epochs_arrive_without_steps(tmp_path: Path) -> None:
    told = training_arguments(settings_for("rte", num_train_epochs=2.5), folder=tmp_path, seed=3)
    assert (told.num_train_epochs, told.max_steps) == (2.5, -1)


class Norm(transformers.TrainerCallback):
    """The norm of the whole gradient before the optimizer's step."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.value = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None]).norm().item()


def one_step(folder: Path, norm: Norm, **training: Any) -> RunTrainer:
    """A trainer of one step over 8 examples, without dropout."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "vocab_size": 200, "num_labels": 2}
    tokens = random_tokens(rows=24)
    steps = {"max_steps": 1, "eval_steps": 1, "train_batch_size": 8, "max_grad_norm": 0}
    return make_trainer(
        settings_for("rte", **steps, **training),
        model=transformers.BertForSequenceClassification(transformers.BertConfig(**sizes, **plain)),
        tokens=tokens,
        collator=Collator(tokens, padding=Padding(0), label_order=np.arange(2)),
        evaluate=lambda _: {"accuracy": 0.0},
        callbacks=[norm],
        folder=folder,
        seed=0,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_in_pieces_has_the_gradient_and_the_loss_of_the_whole_batch(tmp_path: Path, smoothing: float) -> None:
    whole, pieces = Norm(), Norm()
    once = one_step(tmp_path, whole, label_smoothing_factor=smoothing)
    once.train()
    often = one_step(tmp_path, pieces, label_smoothing_factor=smoothing, per_device_train_batch_size=2)
    often.train()
    assert pieces.value == pytest.approx(whole.value, rel=1e-4)
    assert often.state.log_history[0]["loss"] == pytest.approx(once.state.log_history[0]["loss"], rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_labels_are_smoothed_as_torch_does_it(tmp_path: Path, smoothing: float) -> None:
    trainer = one_step(tmp_path, Norm(), label_smoothing_factor=smoothing)
    batch = next(iter(trainer.get_train_dataloader()))
    assert trainer.model is not None
    with torch.no_grad():
        logits = trainer.model(**{name: value for name, value in batch.items() if name != "labels"}).logits
        expected = torch.nn.functional.cross_entropy(logits, batch["labels"], label_smoothing=smoothing)
        assert trainer.compute_loss(trainer.model, batch).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_run_with_smoothed_labels_is_another_run_and_ends_well(workspace: Any) -> None:
    training = {"maxSteps": 4, "evalSteps": 2, "maxSeqLength": 32}
    plain = workspace.plan([{"name": "mnli", "runs": 1, "training": training}])
    smooth = workspace.plan([{"name": "mnli", "runs": 1, "training": {**training, "labelSmoothingFactor": 0.2}}])
    assert plain.plan.runs[0].run_id != smooth.plan.runs[0].run_id
    code, log = workspace.run(smooth)
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(smooth)
    assert result.settings["labelSmoothingFactor"] == 0.2
    assert np.isfinite(result.metrics["loss"])
