"""The manifests under examples/: what a person may rely on them to be."""

from pathlib import Path
from typing import Any

import pytest

from finetune_cli.manifest.check import manifests_of
from finetune_cli.manifest.files import Source, check_source
from finetune_core.api import ExperimentSpec
from finetune_core.planning.parse import parse_spec, runs_of, settings_of, task_specs
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.recipes import RECIPES
from finetune_core.tasks.sparse import SPARSE_TYPES

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Published with the recipe; mnli's is not this project's default (docs/decisions/0006).
PUBLISHED_METRICS = {
    "cola": "matthews_correlation",
    "sst2": "accuracy",
    "mrpc": "f1",
    "stsb": "pearson",
    "qqp": "f1",
    "mnli": "mm_accuracy",
    "qnli": "accuracy",
    "rte": "accuracy",
    "wnli": "accuracy",
}


def manifest(name: str) -> dict[str, Any]:
    (found,) = manifests_of((EXAMPLES / f"{name}.yaml").read_text())
    return found


def spec(name: str) -> ExperimentSpec:
    return parse_spec(manifest(name)["spec"])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_has_neither_problems_nor_warnings(path: Path) -> None:
    assert check_source(Source(str(path))) == []


def test_bert_base_states_the_published_recipe_of_every_task() -> None:
    given = spec("bert-base")
    assert given.model.uri.startswith("hf://")
    stated = {}
    for task in task_specs(given):
        assert task.training is not None
        assert task.training.max_steps is not None
        settings = settings_of(given, task)
        stated[task.name] = (settings.eval_steps, settings.max_steps, runs_of(given, task))
        assert settings.metric_for_best_model == PUBLISHED_METRICS[task.name]
        assert (settings.train_batch_size, settings.warmup_ratio, settings.max_seq_length) == (32, 0.1, 128)
        assert settings.lr_scheduler_type == "linear"
    assert stated == {name: (one.eval_steps, one.max_steps, one.runs) for name, one in RECIPES.items()}


def test_the_sparse_example_keeps_its_zeros() -> None:
    assert spec("sparse").model.type in SPARSE_TYPES


def test_the_tuned_example_takes_the_values_of_the_search_beside_it_over_the_same_model() -> None:
    tuned, searched = spec("tuned-experiment"), manifest("hpsearch")
    assert tuned.hyperparameters_from is not None
    assert tuned.hyperparameters_from.hp_search_ref is not None
    assert tuned.hyperparameters_from.hp_search_ref.name == searched["metadata"]["name"]
    assert tuned.model.uri == searched["spec"]["model"]["uri"]
    covered = {task["name"] for task in searched["spec"]["tasks"]}
    covered |= {other for task in searched["spec"]["tasks"] for other in task.get("proxyFor", [])}
    assert covered >= {task.name for task in task_specs(tuned)}


def test_the_custom_example_has_all_problem_types_and_several_classes() -> None:
    own = [task for task in task_specs(spec("custom-task")) if task.problem_type]
    assert {task.problem_type for task in own} == set(ProblemType)
    assert max(len(task.labels or ()) for task in own) > 2
    assert {len(task.data.text_columns or ()) for task in own if task.data} == {1, 2}
