"""Specs: every problem at once, each at a field that a user finds, each with a remedy."""

from typing import Any

import pytest

from finetune_core.api import ExperimentSpec, Precision, TaskSpec, Training
from finetune_core.planning.parse import (
    check_spec,
    default_precision,
    define,
    parse_spec,
    runs_of,
    settings_of,
    task_specs,
    warnings,
)
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.tasks.recipes import RECIPES
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_core.tasks.sparse import SPARSE_TYPES

CUSTOM: dict[str, Any] = {
    "name": "mine",
    "problemType": "Classification",
    "labels": ["no", "yes"],
    "data": {"train": "train.csv", "validation": "dev.csv", "textColumns": ["text"]},
}


def spec(**fields: Any) -> ExperimentSpec:
    return parse_spec({"model": {"uri": "s3://bucket/model"}, **fields})


def problems(**fields: Any) -> list[str]:
    return [str(problem) for problem in check_spec(spec(**fields))]


def custom(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**CUSTOM, **changes}.items() if value is not None}


def test_a_spec_with_a_model_alone_has_no_problems_and_means_all_of_glue() -> None:
    assert problems() == []
    assert [task.name for task in task_specs(spec())] == list(GLUE_TASKS)


def test_every_field_that_does_not_fit_is_listed_with_its_path() -> None:
    raw = {
        "model": {"uri": ""},
        "runs": 0,
        "tasks": [{"name": "cola", "runs": 1000}, {"name": "rte", "training": {"learningRate": "fast"}}],
        "modle": {},
    }
    with pytest.raises(InvalidInputError) as raised:
        parse_spec(raw)
    fields = [problem.field for problem in raised.value.problems]
    assert fields == sorted(
        [
            "spec.model.uri",
            "spec.modle",
            "spec.runs",
            "spec.tasks[cola].runs",
            "spec.tasks[rte].training.learningRate",
        ]
    )


def test_a_task_without_a_name_goes_by_its_place() -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_spec({"model": {"uri": "hf://a/b"}, "tasks": [{"runs": 1}]})
    assert raised.value.problems[0].field.startswith("spec.tasks[0]")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"execution": {"mode": "RayCluster"}}, None),
        ({"hyperparametersFrom": {"uri": "s3://b/hps"}}, None),
        ({"hyperparametersFrom": {"uri": "file:///hps"}}, "spec.hyperparametersFrom.uri: file:///hps must be s3://"),
        ({"hyperparametersFrom": {}}, "spec.hyperparametersFrom: set exactly one of"),
        ({"predict": False, "leaderboard": {}}, "spec.predict: leaderboard needs predictions"),
        ({"model": {"uri": "file:///m"}}, "spec.model.uri: file:// works in local runs only"),
        ({"model": {"uri": "hf://a/b", "type": "distilbert"}}, None),
        *(({"model": {"uri": "hf://a/b", "type": kind}}, None) for kind in sorted(SPARSE_TYPES)),
        (
            {"model": {"uri": "hf://a/b", "type": "static_sparse_bert"}},
            "spec.model.type: static_sparse_bert is no sparse type, so its zeros would not be kept: use one of "
            "fully_static_sparse_bert, static_sparse_encoder_bert, static_sparse_non_attention_bert",
        ),
        ({"data": {"uri": "file:///d"}}, "spec.data.uri: file:// works in local runs only"),
        ({"tasks": [{"name": "rte"}, {"name": "rte"}]}, "spec.tasks: rte is listed more than once"),
        ({"runs": 100, "tasks": None}, None),
        ({"training": {"maxSteps": 9, "numTrainEpochs": 1}}, "spec.training: maxSteps and numTrainEpochs exclude"),
        ({"training": {"warmupRatio": 0.1, "warmupSteps": 1}}, "spec.training: warmupRatio and warmupSteps exclude"),
        (
            {"training": {"loadBestModelAtEnd": False}},
            "spec.training.loadBestModelAtEnd: false scores the last weights instead of the best: set allowLastModel",
        ),
        (
            {"tasks": [{"name": "cola", "training": {"evalSteps": 100, "maxSteps": 50}}]},
            "spec.tasks[cola].training.evalSteps: 100 exceeds maxSteps (50): lower evalSteps or raise maxSteps",
        ),
        (
            {"tasks": [{"name": "cola", "training": {"metricForBestModel": "eval_accuracy"}}]},
            "spec.tasks[cola].training.metricForBestModel: accuracy is not measured in cola: use one of "
            "matthews_correlation, loss",
        ),
        ({"tasks": [{"name": "rte"}], "training": {"labelSmoothingFactor": 0.1}}, None),
        (
            {"tasks": [{"name": "stsb"}], "training": {"labelSmoothingFactor": 0.1}},
            "spec.tasks[stsb].training.labelSmoothingFactor: stsb is a regression, without labels: set it to 0 in the "
            "training of this task",
        ),
        ({"tasks": [{"name": "stsb", "training": {"labelSmoothingFactor": 0}}]}, None),
        (
            {"tasks": [{"name": "cloa"}]},
            "spec.tasks[cloa].name: none of GLUE's tasks (cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli)",
        ),
        ({"tasks": [{"name": "rte", "metrics": ["f1"]}]}, "spec.tasks[rte]: problemType, labels and metrics of a GLUE"),
        ({"tasks": [custom(data=None)]}, "spec.tasks[mine].data: a custom task needs data.train, data.validation"),
        ({"tasks": [custom(labels=None)]}, "spec.tasks[mine].labels: a classification task needs its label names"),
        (
            {"tasks": [custom(labels=["a", "b", "a"])]},
            "spec.tasks[mine].labels: a is listed twice: give each label one place",
        ),
        ({"tasks": [custom(labels=["a ", "b"])]}, "spec.tasks[mine].labels: 'a ' has blanks around it"),
        ({"tasks": [custom(labels=["1", "1.0"])]}, "spec.tasks[mine].labels: 1.0 and 1 are the same number"),
        ({"tasks": [custom(labels=["1", "1.0", "one"])]}, None),
        (
            {"tasks": [custom(data={**CUSTOM["data"], "textColumns": ["label"]})]},
            "spec.tasks[mine].data.textColumns: label is the label's column",
        ),
        (
            {"tasks": [custom(data={**CUSTOM["data"], "textColumns": ["text", "y"], "labelColumn": "y"})]},
            "spec.tasks[mine].data.textColumns: y is the label's column",
        ),
        (
            {"tasks": [custom(data={**CUSTOM["data"], "textColumns": ["text", "text"]})]},
            "spec.tasks[mine].data.textColumns: text is listed twice",
        ),
        ({"tasks": [custom(problemType="Regression")]}, "spec.tasks[mine].labels: a regression task has no labels"),
        ({"tasks": [custom(metrics=["pearson"])]}, "spec.tasks[mine].metrics: pearson cannot be measured here"),
        (
            {"tasks": [custom(labels=["a", "b", "c"], metrics=["f1"])]},
            "spec.tasks[mine].metrics: f1 cannot be measured here",
        ),
        (
            {"tasks": [custom(data={**CUSTOM["data"], "uri": "file:///d"})]},
            "spec.tasks[mine].data.uri: file:// works in local runs only",
        ),
    ],
)
def test_each_mistake_is_told_at_its_field_with_a_remedy(fields: dict[str, Any], expected: str | None) -> None:
    found = problems(**fields)
    if expected is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(expected)


def test_more_runs_than_an_experiment_can_have_are_refused() -> None:
    tasks = [custom(name=f"mine-{number}", runs=100) for number in range(11)]
    assert problems(tasks=tasks) == ["spec.runs: 1100 runs in all; at most 1000: lower runs or split the experiment"]


def test_all_problems_come_at_once_in_a_fixed_order() -> None:
    fields = {
        "data": {"uri": "file:///d"},
        "predict": False,
        "leaderboard": {},
        "tasks": [{"name": "cloa"}, {"name": "cola", "training": {"metricForBestModel": "f1"}}],
    }
    found = check_spec(spec(**fields))
    assert [problem.field for problem in found] == [
        "spec.data.uri",
        "spec.predict",
        "spec.tasks[cloa].name",
        "spec.tasks[cola].training.metricForBestModel",
    ]
    assert list(found) == sorted(found)


def test_local_files_are_fine_in_local_runs() -> None:
    assert check_spec(spec(model={"uri": "file:///m"}), in_cluster=False) == ()


def test_tuned_values_are_checked_like_the_specs_own() -> None:
    found = check_spec(spec(tasks=[{"name": "cola"}]), tuned={"cola": Training(eval_steps=9, max_steps=5)})
    assert found == (
        Problem(
            "spec.tasks[cola].training.evalSteps",
            "9 exceeds maxSteps (5): lower evalSteps or raise maxSteps",
        ),
    )


def test_tuned_values_that_contradict_themselves_are_told_where_they_are_from() -> None:
    tuned = Training(load_best_model_at_end=False, max_steps=100, num_train_epochs=1)
    found = check_spec(spec(tasks=[{"name": "cola"}]), tuned={"cola": tuned})
    assert [problem.field for problem in found] == [
        "spec.hyperparametersFrom[cola]",
        "spec.hyperparametersFrom[cola].loadBestModelAtEnd",
    ]
    assert "set one of them" in found[0].message
    assert "set allowLastModel: true if that is meant" in found[1].message


def test_a_tasks_own_values_win_over_tuned_ones_and_those_over_the_specs() -> None:
    given = spec(
        training={"learningRate": 1e-3, "weightDecay": 0.1, "maxSeqLength": 64},
        tasks=[{"name": "cola", "training": {"learningRate": 1e-5}}],
    )
    tuned = Training(learning_rate=1e-4, weight_decay=0.2)
    settings = settings_of(given, task_specs(given)[0], tuned)
    assert (settings.learning_rate, settings.weight_decay, settings.max_seq_length) == (1e-5, 0.2, 64)


def test_runs_of_a_task_come_from_the_task_the_spec_or_its_recipe() -> None:
    given = spec(runs=3, tasks=[{"name": "rte", "runs": 7}, {"name": "cola"}])
    assert [runs_of(given, task) for task in task_specs(given)] == [7, 3]
    assert runs_of(spec(), TaskSpec(name="qqp")) == 2


@pytest.mark.parametrize(
    ("resources", "precision"),
    [
        (None, Precision.FP32),
        ({"limits": {"nvidia.com/gpu": 1}}, Precision.BF16),
        ({"requests": {"amd.com/gpu": 1}}, Precision.BF16),
        ({"limits": {"cpu": 1}}, Precision.FP32),
    ],
)
def test_precision_by_default_follows_what_the_pods_ask_for(resources: dict | None, precision: Precision) -> None:
    assert default_precision(spec(execution={"resources": resources} if resources else {})) == precision


def test_a_custom_task_measures_what_it_asks_for_first() -> None:
    definition = define(TaskSpec.model_validate(custom(metrics=["f1", "accuracy"])))
    assert definition.metrics == ("f1", "accuracy")
    assert definition.measured[:2] == ("f1", "accuracy")
    assert definition.measured[-1] == "loss"


def test_steps_that_are_no_multiple_of_evaluations_are_warned_of() -> None:
    told = warnings(spec(tasks=[{"name": "cola", "training": {"maxSteps": 10, "evalSteps": 4}}, {"name": "rte"}]))
    assert told == (
        "cola: maxSteps 10 is no multiple of evalSteps 4: use 8 or 12, or leave it: the last step is evaluated too",
    )


def test_the_published_recipes_are_not_warned_of_though_some_end_between_evaluations() -> None:
    assert any(recipe.max_steps and recipe.max_steps % recipe.eval_steps for recipe in RECIPES.values())
    assert warnings(spec()) == ()
    assert [told.partition(":")[0] for told in warnings(spec(training={"maxSteps": 1000}))] == [
        name for name, recipe in RECIPES.items() if 1000 % min(1000, recipe.eval_steps)
    ]


def test_a_dev_file_that_is_the_training_file_is_warned_of() -> None:
    same = custom(data={**CUSTOM["data"], "validation": "./train.csv"})

    assert any("mine: data.validation is data.train" in text for text in warnings(spec(tasks=[same])))
    assert not any("data.validation" in text for text in warnings(spec(tasks=[custom()])))


def test_quoting_is_part_of_a_tasks_definition_only_where_it_is_said() -> None:
    said = define(TaskSpec.model_validate(custom(data={**CUSTOM["data"], "quoting": "None"})))

    assert said.model_dump(mode="json")["quoting"] == "None"
    assert "quoting" not in define(TaskSpec.model_validate(custom())).model_dump(mode="json")


def test_last_weights_in_place_of_the_best_are_warned_of() -> None:
    training = {"loadBestModelAtEnd": False, "allowLastModel": True, "maxSteps": 10, "evalSteps": 5}
    given = spec(tasks=[{"name": "cola", "training": training}])
    assert check_spec(given) == ()
    assert warnings(given) == ("cola: scored and predicted with the last weights, not the best (allowLastModel)",)


@pytest.mark.parametrize("uri", ["s3://bucket/data", "pvc://claim/data"])
def test_only_data_sets_on_the_hub_have_configurations_and_splits(uri: str) -> None:
    data = {"train": "train", "validation": "dev.csv", "config": "plain", "textColumns": ["text"]}
    assert problems(data={"uri": uri}, tasks=[custom(data=data)]) == [
        f"spec.tasks[mine].data.config: {uri} has no configurations, only data sets on the hub (hf://) do: remove it",
        "spec.tasks[mine].data.train: train is no file: write its name with .csv, .tsv, .jsonl or .parquet; splits "
        f"have names only in data sets on the hub (hf://), and this task's data are {uri}",
    ]
    assert problems(tasks=[custom(data={**data, "uri": "hf://org/data"})]) == []
