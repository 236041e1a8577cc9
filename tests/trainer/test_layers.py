"""Frozen layers and learning rates that fall with depth, against numbers worked out by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

from finetune_trainer.errors import UserError
from finetune_trainer.model.layers import depths, freeze
from finetune_trainer.run.training import RunTrainer
from support.results import settings_for

SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}


def bert() -> Any:
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES))


def test_frozen_are_the_embeddings_and_the_lowest_layers() -> None:
    model = bert()
    freeze(model, settings_for("rte", freeze_layers=2, freeze_embeddings=True))
    frozen = {name for name, one in model.named_parameters() if not one.requires_grad}
    below = ("bert.embeddings.", "bert.encoder.layer.0.", "bert.encoder.layer.1.")
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith(below)}


@pytest.mark.parametrize(
    ("place", "depth"),
    [
        ("classifier.", 0),
        ("bert.pooler.", 0),
        ("bert.encoder.layer.2.", 1),
        ("bert.encoder.layer.0.", 3),
        ("bert.embeddings.", 4),
    ],
)
def test_depth_counts_from_the_head(place: str, depth: int) -> None:
    assert {found for name, found in depths(bert()).items() if name.startswith(place)} == {depth}


def test_the_learning_rate_falls_with_depth(tmp_path: Path) -> None:
    model, arguments = bert(), transformers.TrainingArguments(str(tmp_path), learning_rate=1e-3, weight_decay=0.1)
    trainer = SimpleNamespace(model=model, args=arguments, _lr_decay=0.5)
    trainer.get_decay_parameter_names = lambda one: transformers.Trainer.get_decay_parameter_names(trainer, one)  # type: ignore[arg-type]
    groups = RunTrainer._groups(trainer)  # type: ignore[arg-type]
    rates = {id(one): group["lr"] for group in groups for one in group["params"]}
    assert rates[id(model.classifier.weight)] == groups[0]["lr"] == 1e-3
    assert rates[id(model.bert.encoder.layer[0].output.dense.weight)] == 1e-3 / 8
    assert rates[id(model.bert.embeddings.word_embeddings.weight)] == 1e-3 / 16
    decays = {id(one): group["weight_decay"] for group in groups for one in group["params"]}
    assert (decays[id(model.classifier.weight)], decays[id(model.classifier.bias)]) == (0.1, 0.0)
    assert len(rates) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("training", "words"),
    [({"freeze_layers": 4}, "the model has 3 layers"), ({"layerwise_lr_decay": 0.9}, "has 2: remove it")],
)
def test_what_the_model_has_not_is_refused(training: Any, words: str) -> None:
    model = bert()
    if "layerwise_lr_decay" in training:
        model.bert.more = torch.nn.ModuleList([torch.nn.Linear(2, 2)])
    with pytest.raises(UserError, match=words):
        freeze(model, settings_for("rte", **training))
