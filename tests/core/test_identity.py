import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.planning import identity
from finetune_core.planning.identity import FileEntry, content_digest, run_id
from finetune_core.planning.plan import Plan, expand_runs
from finetune_core.tasks.metrics import ProblemType
from finetune_core.tasks.registry import SubmissionFile, TaskDefinition
from support import plans
from support.results import MODEL, definition_of, plan_of

FACTS: dict[str, Any] = {
    "model_digest": "md5s:00",
    "data_digest": "md5s:11",
    "task": {"name": "cola"},
    "settings": {"maxSteps": 100},
    "seed": 7,
}

entries = st.builds(
    FileEntry,
    path=st.text("ab/.", min_size=1, max_size=6),
    md5=st.sampled_from(["0" * 32, "1" * 32]),
    size=st.integers(0, 3),
)


def first_run(plan: Plan) -> str:
    return plan.runs[0].run_id


def test_run_id_is_sixteen_hex_digits_and_pinned() -> None:
    """What lies in people's stores is found by it; a change must come with a new recipe version."""
    assert re.fullmatch(r"[0-9a-f]{16}", run_id(**FACTS))
    assert run_id(**FACTS) == "71b5135106e8ca05"


@pytest.mark.parametrize(
    "change",
    [
        {"model_digest": "md5s:01"},
        {"data_digest": "md5s:12"},
        {"task": {"name": "rte"}},
        {"settings": {"maxSteps": 101}},
        {"seed": 8},
        {"model_type": "static_sparse_encoder_bert"},
    ],
)
def test_everything_that_decides_a_result_changes_the_id(change: dict[str, Any]) -> None:
    assert run_id(**{**FACTS, **change}) != run_id(**FACTS)


def test_a_new_recipe_version_changes_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_id(**FACTS)
    monkeypatch.setattr(identity, "RECIPE_VERSION", identity.RECIPE_VERSION + 1)
    assert run_id(**FACTS) != before


def test_swapped_digests_are_another_run() -> None:
    swapped = {**FACTS, "model_digest": FACTS["data_digest"], "data_digest": FACTS["model_digest"]}
    assert run_id(**swapped) != run_id(**FACTS)


@pytest.mark.parametrize(
    "training",
    [{"eval_batch_size": 8}, {"per_device_train_batch_size": 4}],
)
def test_how_the_work_is_cut_does_not_change_the_id(training: dict[str, Any]) -> None:
    assert first_run(plan_of({"cola": 1}, training={"cola": training})) == first_run(plan_of({"cola": 1}))


@pytest.mark.parametrize(
    "training",
    [
        {"learning_rate": 1e-5},
        {"max_steps": 10, "eval_steps": 5},
        {"eval_steps": 76},
        {"num_train_epochs": 3},
        {"train_batch_size": 16},
        {"warmup_ratio": 0.0},
        {"warmup_steps": 10},
        {"weight_decay": 0.1},
        {"max_seq_length": 64},
        {"precision": "bf16"},
        {"metric_for_best_model": "loss"},
        {"load_best_model_at_end": False},
        {"early_stopping": {"patience": 3}},
        {"lr_scheduler_type": "cosine"},
        {"adam_beta1": 0.8},
        {"adam_beta2": 0.99},
        {"adam_epsilon": 1e-6},
        {"max_grad_norm": 0.5},
    ],
)
def test_every_training_argument_that_decides_a_result_changes_the_id(training: dict[str, Any]) -> None:
    assert first_run(plan_of({"cola": 1}, training={"cola": training})) != first_run(plan_of({"cola": 1}))


@pytest.mark.parametrize(
    "training",
    [
        {"learning_rate": 5e-5},
        {"max_steps": 1562},
        {"eval_steps": 75},
        {"weight_decay": 0},
        {"warmup_ratio": 0.1},
        {"metric_for_best_model": "eval_matthews_correlation"},
        {"allow_last_model": True},
    ],
)
def test_writing_down_a_default_does_not_change_the_id(training: dict[str, Any]) -> None:
    assert first_run(plan_of({"cola": 1}, training={"cola": training})) == first_run(plan_of({"cola": 1}))


def id_for(definition: TaskDefinition) -> str:
    task = plan_of({"spam": 1}).tasks["spam"].model_copy(update={"definition": definition})
    ((run,), _) = expand_runs({"spam": task}, MODEL, {"spam": 1}, seed=42)
    return run.run_id


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("spam", "ham")},
        {"text_columns": ("subject", "text")},
        {"label_column": "class"},
        {"problem_type": ProblemType.REGRESSION},
        {"evaluation_splits": {"": "test"}},
    ],
)
def test_what_a_custom_task_is_changes_the_id(change: dict[str, Any]) -> None:
    definition = definition_of("spam")
    assert id_for(definition.model_copy(update=change)) != id_for(definition)


def test_what_is_predicted_afterwards_does_not_change_the_id() -> None:
    definition = definition_of("spam")
    file = SubmissionFile(name="spam.tsv", split="test", rows=3)
    assert id_for(definition.model_copy(update={"test_splits": (), "submission": (file,)})) == id_for(definition)


def test_where_the_content_lies_does_not_change_the_id() -> None:
    here = plan_of({"cola": 1}, data_uri="s3://data/glue")
    there = plan_of({"cola": 1}, data_uri="file:///glue")
    assert here.runs == there.runs


@pytest.mark.parametrize(
    "spec",
    [
        {"retention": {"models": "All"}},
        {"leaderboard": {}},
        {"predict": False},
        {"execution": {"parallelism": 7, "image": "other"}},
    ],
)
def test_what_happens_around_a_run_does_not_change_the_id(spec: dict[str, Any]) -> None:
    assert plan_of({"cola": 1}, **spec).runs == plan_of({"cola": 1}).runs


def test_namespace_and_name_do_not_change_the_id() -> None:
    """Results of an experiment that is deleted and applied again are found again; other ones lie elsewhere."""
    assert plans.plan({"cola": 1}, name="one").runs == plans.plan({"cola": 1}, name="two").runs


@given(st.lists(entries, max_size=6), st.randoms(use_true_random=False))
def test_content_digest_does_not_depend_on_the_order_of_files(files: list[FileEntry], random: Any) -> None:
    assert content_digest(random.sample(files, len(files))) == content_digest(files)


@given(st.sets(entries, max_size=5), st.sets(entries, max_size=5))
def test_content_digest_tells_contents_apart(one: set[FileEntry], other: set[FileEntry]) -> None:
    assert (content_digest(one) == content_digest(other)) == (one == other)


def test_content_digest_is_pinned() -> None:
    assert re.fullmatch(r"md5s:[0-9a-f]{32}", MODEL.digest)
    files = [FileEntry("config.json", "a" * 32, 3), FileEntry("model.safetensors", "b" * 32, 5)]
    assert content_digest(files) == "md5s:ec9c1daf3b834107ebe6c245889e1c7f"
