"""Training arguments as Hugging Face's Trainer is told them."""

import dataclasses
from pathlib import Path

import pytest
import transformers

from finetune_core.argument_table import Argument
from finetune_core.arguments import ARGUMENTS
from finetune_trainer.training import training_arguments
from support.results import settings_for

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
