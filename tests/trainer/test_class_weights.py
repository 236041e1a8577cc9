"""Class weights: scikit-learn's numbers, torch's loss over the whole step, in however many pieces it goes through."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sklearn.utils.class_weight import compute_class_weight

from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import TaskDefinition
from finetune_trainer.data.padding import Padding
from finetune_trainer.data.tokens import Collator, Tokens
from finetune_trainer.errors import UserError
from finetune_trainer.model.loading import Head
from finetune_trainer.run.class_weights import WeightedLoss, weighted_loss
from finetune_trainer.run.training import RunTrainer, make_trainer
from support.results import settings_for
from support.sparse_models import random_tokens

NAMES = ("bug", "billing", "praise")
IDS = np.array([0] * 12 + [1] * 5 + [2] * 7, np.float32)
FLIPPED = np.array([2, 0, 1])
"""The model knows the labels in another order: output 2 is the task's first label."""
SETS = (np.random.default_rng(3).random((24, 3)) < [0.2, 0.5, 0.8]).astype(np.float32)


def task(kind: ProblemType) -> TaskDefinition:
    return TaskDefinition(
        name="own", problem_type=kind, text_columns=("a",), labels=NAMES, metrics=("f1_macro",), measured=("f1_macro",)
    )


def tokens(labels: np.ndarray) -> Tokens:
    made = random_tokens(rows=len(labels))
    order = np.random.default_rng(0).permutation(len(labels))
    return Tokens(made.ids, made.types, made.ends, labels[order])


def weighted(kind: ProblemType, data: Tokens, head: Head | None = None, **training: Any) -> WeightedLoss | None:
    return weighted_loss(task(kind), settings_for("rte", **training), data, head or Head(NAMES, np.arange(3)))


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    made = weighted(ProblemType.CLASSIFICATION, tokens(IDS), class_weights="balanced")
    assert made is not None
    expected = compute_class_weight("balanced", classes=np.arange(3), y=IDS)
    assert made.weights.tolist() == pytest.approx([24 / (3 * 12), 24 / (3 * 5), 24 / (3 * 7)])
    assert made.weights.tolist() == pytest.approx(expected.tolist())


def test_weights_go_by_the_name_of_the_label_whatever_the_model_calls_its_outputs() -> None:
    head = Head(("billing", "praise", "bug"), FLIPPED)
    made = weighted(ProblemType.CLASSIFICATION, tokens(IDS), head, label_weights={"bug": 5, "praise": 2})
    assert made is not None
    assert made.weights.tolist() == [1, 2, 5]


def test_without_them_nothing_is_weighted() -> None:
    assert weighted(ProblemType.CLASSIFICATION, tokens(IDS)) is None


def test_balanced_weights_of_several_labels_are_absences_over_presences() -> None:
    made = weighted(ProblemType.MULTI_LABEL, tokens(SETS), class_weights="balanced")
    assert made is not None
    having = SETS.sum(axis=0)
    assert made.weights.tolist() == pytest.approx(((24 - having) / having).tolist())
    # The two weights that scikit-learn gives the presence and the absence of a label have that quotient.
    for label in range(3):
        absent, present = compute_class_weight("balanced", classes=np.arange(2), y=SETS[:, label])
        assert made.weights[label].item() == pytest.approx(present / absent)


@pytest.mark.parametrize(
    ("kind", "labels", "said"),
    [
        (ProblemType.CLASSIFICATION, IDS * (IDS != 1), "no row of the training data has the label billing"),
        (ProblemType.MULTI_LABEL, SETS * [1, 1, 0], "no row of the training data has the label praise"),
        (ProblemType.MULTI_LABEL, np.maximum(SETS, [1, 0, 0]), "every row of the training data has the label bug"),
    ],
)
def test_a_label_that_nothing_balances_is_refused(kind: ProblemType, labels: np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said):
        weighted(kind, tokens(labels.astype(np.float32)), class_weights="balanced")


class Norm(transformers.TrainerCallback):
    """The whole gradient before the optimizer's step."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.value = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None]).clone()


def one_step(folder: Path, kind: ProblemType, norm: Norm, **training: Any) -> RunTrainer:
    """A trainer of one step over 8 examples, without dropout."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "vocab_size": 200, "num_labels": 3}
    data = tokens(IDS if kind == ProblemType.CLASSIFICATION else SETS)
    settings = settings_for("rte", max_steps=1, eval_steps=1, train_batch_size=8, max_grad_norm=0, **training)
    head = Head(("billing", "praise", "bug"), FLIPPED)
    several = kind == ProblemType.MULTI_LABEL
    problem = "multi_label_classification" if several else "single_label_classification"
    return make_trainer(
        settings,
        model=transformers.BertForSequenceClassification(
            transformers.BertConfig(**sizes, **plain, problem_type=problem)
        ),
        tokens=data,
        collator=Collator(data, padding=Padding(0), label_order=FLIPPED),
        evaluate=lambda _: {"accuracy": 0.0},
        callbacks=[norm],
        folder=folder,
        seed=0,
        weighted=weighted_loss(task(kind), settings, data, head),
    )


@pytest.mark.parametrize(
    ("kind", "smoothing"),
    [(ProblemType.CLASSIFICATION, 0.0), (ProblemType.CLASSIFICATION, 0.2), (ProblemType.MULTI_LABEL, 0.0)],
)
def test_a_weighted_batch_in_pieces_has_the_gradient_and_the_loss_of_the_whole_batch(
    tmp_path: Path, kind: ProblemType, smoothing: float
) -> None:
    whole, pieces = Norm(), Norm()
    fields = {"class_weights": "balanced", "label_smoothing_factor": smoothing}
    once = one_step(tmp_path, kind, whole, **fields)
    batch = next(iter(once.get_train_dataloader()))
    expected = by_torch(once, batch, smoothing)
    once.train()
    often = one_step(tmp_path, kind, pieces, per_device_train_batch_size=2, **fields)
    often.train()
    assert torch.allclose(pieces.value, whole.value, rtol=1e-4, atol=1e-6)
    # Before the step, by torch's own functions with weights that are worked out here.
    assert once.state.log_history[0]["loss"] == pytest.approx(expected, rel=1e-4)
    assert often.state.log_history[0]["loss"] == pytest.approx(expected, rel=1e-4)


def by_torch(trainer: RunTrainer, batch: dict[str, torch.Tensor], smoothing: float) -> float:
    assert trainer.model is not None
    with torch.no_grad():
        logits = trainer.model(**{name: value for name, value in batch.items() if name != "labels"}).logits
    labels = batch["labels"]
    if labels.dim() > 1:
        having = SETS.sum(axis=0)
        weights = torch.tensor(((24 - having) / having)[[1, 2, 0]])
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights).item()
    weights = torch.tensor([24 / (3 * 5), 24 / (3 * 7), 24 / (3 * 12)])
    loss = torch.nn.functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
    return loss.item()


def test_labels_of_a_batch_are_in_the_models_order() -> None:
    made = Collator(tokens(SETS), padding=Padding(0), label_order=FLIPPED)
    plain = Collator(tokens(SETS), padding=Padding(0), label_order=None)
    assert torch.equal(made([0, 5, 7])["labels"], plain([0, 5, 7])["labels"][:, [1, 2, 0]])
