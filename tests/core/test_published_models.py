"""What is told of a published model: its card, how it is loaded, and whether KServe can serve it."""

from typing import Any

import pytest
import yaml

from finetune_core.planning.plan import Plan
from finetune_core.publishing.card import card, told_figures
from finetune_core.publishing.facts import Facts, facts_of
from finetune_core.publishing.findings import Verdict, check_statement
from finetune_core.publishing.provenance import Statement, statement_of
from finetune_core.publishing.serving import cannot_serve, inference_service
from finetune_core.results.run import Sparsity, SparsityRecord
from finetune_core.tasks.metrics import ProblemType
from support.documents import document_of
from support.results import plan_of, result_of

VALUES = {"rte": 0.65, "price": 2.5}


def facts(task: str = "rte", *, plan: Plan | None = None, **result: Any) -> Facts:
    made = plan or plan_of({task: 2})
    own = result_of(made, task, 0, VALUES[task], **result)
    row = document_of({task: [VALUES[task], VALUES[task]]}).tasks[0]
    return facts_of(made, made.runs[0], own, row, licence="mit", version="0.1.0")


def metadata(told: Facts) -> Any:
    return yaml.safe_load(card(told, "org/name").split("---\n")[1])


def with_model(**fields: str) -> Plan:
    plan = plan_of({"rte": 2})
    return plan.model_copy(update={"model": plan.model.model_copy(update=fields)})


def adapter(*, merged: bool) -> Facts:
    training = {"rte": {"peft_type": "LORA", "merge_adapter": merged}}
    return facts(plan=plan_of({"rte": 2}, training=training))


def several_labels() -> Facts:
    told = facts()
    task = told.task.model_copy(
        update={"definition": told.task.definition.model_copy(update={"problem_type": ProblemType.MULTI_LABEL})}
    )
    return told.model_copy(update={"plan": told.plan.model_copy(update={"tasks": {"rte": task}})})


def test_a_model_of_the_hub_is_named_as_the_hub_names_it() -> None:
    said = metadata(facts(plan=with_model(uri="hf://google-bert/bert-base-cased@abc")))
    assert (said["base_model"], said["base_model_relation"], said["license"]) == (
        "google-bert/bert-base-cased", "finetune", "mit")  # fmt: skip


def test_a_model_of_a_bucket_is_no_model_of_the_hub() -> None:
    assert "base_model" not in metadata(facts())


def test_an_adapter_alone_is_loaded_onto_its_model() -> None:
    told = adapter(merged=False)
    assert metadata(told)["library_name"] == "peft"
    text = card(told, "org/name")
    assert 'PeftModel.from_pretrained(base, "org/name")' in text
    assert "num_labels=2" in text
    assert "adapter" in (cannot_serve(told) or "")


def test_a_merged_adapter_is_a_model_like_others() -> None:
    told = adapter(merged=True)
    assert metadata(told)["library_name"] == "transformers"
    assert cannot_serve(told) is None


def test_a_sparse_model_says_how_many_zeros_it_has_and_how_they_are_kept() -> None:
    counted = Sparsity(weights=1000, masked=850, non_zero=150, sparsity=0.85, parameters=2000, non_zero_parameters=1150)
    record = SparsityRecord(type="static_sparse_encoder_bert", before=counted, after=counted)
    text = card(facts(plan=with_model(type="static_sparse_encoder_bert"), sparsity=record), "org/name")
    assert "0.8500 of 1000 weights (static_sparse_encoder_bert)" in text
    assert 'BertForSequenceClassification.from_pretrained("org/name")' in text
    assert "import finetune_trainer.sparse" in text


def test_scores_are_not_served_since_the_runtime_answers_with_a_class() -> None:
    assert "always 0" in (cannot_serve(facts("price")) or "")


@pytest.mark.parametrize(
    ("told", "option"), [(facts(), "--return_probabilities"), (several_labels(), "--return_raw_logits")]
)
def test_the_runtime_is_asked_for_what_the_task_means(told: Facts, option: str) -> None:
    service = inference_service(told, "hf://org/name:abc")
    arguments = service["spec"]["predictor"]["model"]["args"]
    assert option in arguments
    assert "--max_length=128" in arguments


def test_losses_and_errors_are_told_as_measured() -> None:
    told = facts("price")
    text = card(told, "org/name")
    assert told_figures(text)["mse"] == 2.5
    assert "| mse | 2.5 |" in text


def test_text_of_others_ends_no_cell_and_no_code() -> None:
    text = card(facts(plan=with_model(uri="s3://b/a|`b\n| x | y |")), "org/name")
    (line,) = [line for line in text.splitlines() if line.startswith("| base model |")]
    assert line.count("`") == 2
    assert line.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize(
    "text", ["", "# no metadata", "---\n- 1\n---\n", "---\nmodel-index: [&a [*a]]\n---\n", "---\n"]
)
def test_a_card_that_tells_no_figures_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"metadata|model-index"):
        told_figures(text)


def test_a_statement_reads_back_as_it_was_written() -> None:
    statement = statement_of(facts(predictions={"RTE.tsv": b"x"}), {"README.md": "0" * 64})
    again = Statement.model_validate_json(statement.to_json())
    assert again == statement
    assert check_statement(again).verdict == Verdict.EQUAL
    names = {one.name for one in again.predicate.build_definition.resolved_dependencies}
    assert names == {"model", "data"}
