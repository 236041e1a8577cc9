"""What an evaluation says of each row of a dev set, from logits to the best step's file and through a checkpoint."""

import json

import numpy as np
import pytest
import torch

from finetune_core.results.dev_predictions import MOST_MARKS, MOST_ROWS, read_tsv
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import GLUE_TASKS, TaskDefinition
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.measure.answers import answers_of, too_many, write_answers
from finetune_trainer.model.loading import Head
from finetune_trainer.run.best import Best
from support.results import task_plan

RTE, STSB = GLUE_TASKS["rte"], GLUE_TASKS["stsb"]
COLOURS = TaskDefinition(
    name="colours",
    problem_type=ProblemType.MULTI_LABEL,
    text_columns=("text",),
    labels=("red", 'gr"een', "blue"),
    metrics=("f1_micro",),
    measured=("f1_micro",),
)


def tokens(*labels) -> Tokens:
    n = len(labels)
    return Tokens(np.zeros(n, np.int32), np.zeros(0, np.int8), np.arange(1, n + 1), np.array(labels, np.float32))


def answers(*guesses: float):
    return {"": np.array([guesses, [0.5] * len(guesses)], np.float32)}


def test_labels_are_named_whatever_their_order_in_the_model(tmp_path):
    logits = np.array([[0.0, np.log(3.0)], [2.0, 0.0]], np.float32)
    # The model has the labels the other way round.
    head = Head(names=RTE.labels[::-1], order=np.array([1, 0]))
    found = answers_of(RTE, logits)
    record = write_answers(tmp_path / "a.tsv", RTE, head, found, tokens(0, 0), data="d", prefix="")
    read = read_tsv((tmp_path / "a.tsv").read_bytes())
    assert read.label == ("entailment", "entailment")
    assert read.prediction == ("entailment", "not_entailment")
    assert read.probability == pytest.approx((0.75, np.exp(2) / (1 + np.exp(2))), rel=1e-5)
    assert (record.rows, record.positive, record.regression) == (2, "not_entailment", False)


def test_scores_read_back_as_the_same_float32(tmp_path):
    scores = np.array([[1 / 3], [np.pi * 1e-7]], np.float32)
    head = Head(names=(), order=None)
    write_answers(tmp_path / "a.tsv", STSB, head, answers_of(STSB, scores), tokens(0.1, 5), data="d", prefix="")
    read = read_tsv((tmp_path / "a.tsv").read_bytes())
    assert [np.float32(one) for one in read.prediction] == list(scores[:, 0])
    assert np.float32(read.label[0]) == np.float32(0.1)
    assert read.probability == (None, None)


def test_several_labels_are_lists_of_names_in_the_tasks_order_with_the_probability_of_all_of_them(tmp_path):
    # Of 3/4, 1/5 and 2/3 in the model's order: blue, red, green.
    logits = np.log(np.array([[3, 1 / 4, 2], [1 / 3, 1 / 4, 1 / 2]], np.float32))
    head = Head(names=("blue", "red", 'gr"een'), order=np.array([1, 2, 0]))
    truth = tokens([0, 1, 1], [0, 0, 0])
    record = write_answers(tmp_path / "a.tsv", COLOURS, head, answers_of(COLOURS, logits), truth, data="d", prefix="")
    read = read_tsv((tmp_path / "a.tsv").read_bytes())
    assert [json.loads(one) for one in read.label] == [['gr"een', "blue"], []]
    assert [json.loads(one) for one in read.prediction] == [['gr"een', "blue"], []]
    assert read.probability == pytest.approx((3 / 4 * 4 / 5 * 2 / 3,) * 2, rel=1e-5)
    assert (record.labels, record.positive) == (COLOURS.labels, None)


def test_too_many_labels_of_too_many_rows_are_not_kept():
    assert too_many(COLOURS, MOST_MARKS // 3) == f"more than {MOST_ROWS} rows"
    wide = COLOURS.model_copy(update={"labels": tuple(map(str, range(1000)))})
    assert too_many(wide, MOST_MARKS // 1000) is None
    assert too_many(wide, MOST_MARKS // 1000 + 1) == f"more than {MOST_MARKS} rows times labels"


def best() -> Best:
    return Best(task_plan("rte"))


def test_the_answers_are_those_of_the_best_evaluation(tmp_path):
    model = torch.nn.Linear(1, 1)
    kept = best()
    for step, (value, guess) in enumerate([(0.5, 0), (0.7, 1), (0.6, 2)]):
        kept.hear(answers(guess))
        kept.offer(step, {"accuracy": value}, model)
    assert kept.answers[""][0] == [1]

    kept.save(tmp_path, [])
    again = best()
    again.restore(tmp_path)
    again.hear(answers(3))
    again.offer(3, {"accuracy": 0.65}, model)
    assert again.answers[""][0] == [1]
    again.load_into(model)
    assert again.answers[""][0] == [1]


def test_where_no_value_was_ever_finite_they_are_the_last_ones_also_after_an_interruption(tmp_path):
    kept = best()
    kept.hear(answers(4))
    kept.offer(1, {"accuracy": float("nan")}, torch.nn.Linear(1, 1))
    kept.save(tmp_path, [])
    again = best()
    again.restore(tmp_path)
    assert again.answers == {}
    again.load_into(torch.nn.Linear(1, 1))
    assert again.answers[""][0] == [4]


def test_a_checkpoint_of_before_there_were_answers_has_none(tmp_path):
    kept = best()
    kept.hear(answers(1))
    kept.offer(1, {"accuracy": 0.5}, torch.nn.Linear(1, 1))
    kept.save(tmp_path, [])
    (tmp_path / "answers.safetensors").unlink()
    again = best()
    again.restore(tmp_path)
    assert again.answers == {}


def test_glues_largest_dev_set_is_kept():
    assert MOST_ROWS > 40_430
