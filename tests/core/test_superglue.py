"""SuperGLUE's tasks by name: custom tasks that are filled in, the spec's own words first."""

from typing import Any

import pytest

from finetune_core.api import ExperimentSpec
from finetune_core.planning.parse import check_spec, define, parse_spec, settings_of
from finetune_core.planning.search.build import base_settings
from finetune_core.planning.search.parse import check_search, parse_search
from finetune_core.tasks.superglue import NOT_BUILT_IN, SUPERGLUE_TASKS


def spec(*tasks: dict[str, Any], **fields: Any) -> ExperimentSpec:
    raw = {"model": {"uri": "s3://b/model"}, "data": {"uri": "s3://b/superglue"}, "tasks": list(tasks), **fields}
    return parse_spec(raw)


def test_a_name_is_enough() -> None:
    made = spec(*({"name": name} for name in SUPERGLUE_TASKS))
    boolq, cb = made.tasks or ()

    assert check_spec(made) == ()
    assert boolq.data is not None
    assert (boolq.data.train, boolq.data.validation, boolq.data.test) == (
        "BoolQ/train.jsonl",
        "BoolQ/val.jsonl",
        "BoolQ/test.jsonl",
    )
    assert (define(boolq).text_columns, define(boolq).labels) == (("passage", "question"), ("False", "True"))
    assert (define(cb).metrics, define(cb).labels) == (
        ("accuracy", "f1_macro"),
        ("entailment", "contradiction", "neutral"),
    )


def test_the_recipe_is_the_authors_and_the_spec_wins() -> None:
    made = spec(
        {"name": "cb"},
        {"name": "boolq", "training": {"maxSteps": 500, "evalSteps": 50}},
        training={"learningRate": 3e-5},
    )
    cb, boolq = (settings_of(made, task) for task in made.tasks or ())

    assert (cb.num_train_epochs, cb.eval_steps, cb.train_batch_size, cb.max_seq_length) == (10, 60, 4, 256)
    assert (cb.learning_rate, cb.metric_for_best_model) == (3e-5, "accuracy")
    assert (boolq.max_steps, boolq.num_train_epochs, boolq.eval_steps) == (500, None, 50)
    assert settings_of(spec({"name": "cb"}), (spec({"name": "cb"}).tasks or ())[0]).learning_rate == 1e-5


def test_a_task_of_ones_own_of_that_name_stays_what_it_was() -> None:
    data = {"train": "a.csv", "validation": "b.csv", "textColumns": ["text"]}
    own = {"name": "cb", "problemType": "Classification", "labels": ["no", "yes"], "data": data}
    made = spec(own)
    (task,) = made.tasks or ()
    assert task.model_dump(exclude_none=True, by_alias=True, mode="json") == own
    assert (settings_of(made, task).learning_rate, settings_of(made, task).num_train_epochs) == (5e-5, 3)


def test_what_is_said_of_its_files_wins() -> None:
    (task,) = spec({"name": "cb", "data": {"train": "more.jsonl"}}).tasks or ()
    assert task.data is not None
    assert (task.data.train, task.data.validation) == ("more.jsonl", "CB/val.jsonl")


def test_on_the_hub_it_is_a_configuration_with_its_splits() -> None:
    (task,) = spec({"name": "cb", "data": {"uri": "hf://org/superglue"}}).tasks or ()
    assert task.data is not None
    assert (task.data.config, task.data.train, task.data.test) == ("cb", "train", "test")


def test_a_search_has_the_same_tasks_and_recipe() -> None:
    raw = {"model": {"uri": "s3://b/m"}, "data": {"uri": "s3://b/s"}, "tasks": [{"name": "cb"}]}
    made = parse_search({**raw, "space": {"learningRate": {"uniform": [1e-5, 2e-5]}}})
    assert check_search(made) == ()
    assert base_settings(made, made.tasks[0]).train_batch_size == 4


@pytest.mark.parametrize("name", NOT_BUILT_IN)
def test_tasks_that_are_not_built_in_are_refused_with_the_reason(name: str) -> None:
    (problem,) = check_spec(spec({"name": name}))
    assert problem.field == f"spec.tasks[{name}].name"
    assert problem.message.startswith("this task of SuperGLUE is not built in: ")
