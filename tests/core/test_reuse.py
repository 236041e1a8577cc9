"""Which results of other experiments may stand for a run, and how the tables tell of them."""

from typing import Any

import pytest

from finetune_core.planning.plan import Plan
from finetune_core.results.document import build_document
from finetune_core.results.reuse import Maker, is_pinned, objection
from finetune_core.results.run import PredictionFile, RunResult
from finetune_core.tables.experiment import results_csv, results_markdown
from finetune_core.tables.runs import runs_csv
from support.results import plan_of, result_of

PLAN = plan_of({"cola": 2, "rte": 1})
RUN = PLAN.runs_of("rte")[0]
MAKER = Maker("trainer:1", {"torch": "2.0", "transformers": "5.0"})
TESTED = {"RTE.tsv": "0123456789abcdef"}
SETTINGS = PLAN.tasks["rte"].settings.model_dump(mode="json", by_alias=True)


def result(**fields: Any) -> RunResult:
    file = PredictionFile(rows=1, sha256="0" * 64)
    found = result_of(
        PLAN,
        "rte",
        0,
        0.7,
        settings=SETTINGS,
        image="trainer:1",
        versions=dict(MAKER.versions),
        test_data=TESTED,
    )
    return found.model_copy(update={"predictions": {"RTE.tsv": file}, **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, None),
        # None of these decides a result.
        ({"settings": {**SETTINGS, "evalBatchSize": 7}}, None),
        ({"hardware": {"gpu": "another"}, "model_uri": "s3://elsewhere/the-same", "attempts": 3}, None),
        ({"run_id": "0" * 16}, "is of run 0"),
        ({"task": "wnli"}, "is of run 0 of wnli"),
        ({"run": 1}, "is of run 1"),
        ({"seed": 1}, "seed 1"),
        ({"model_digest": "md5s:other"}, "other content"),
        ({"data_digest": "md5s:other"}, "other content"),
        ({"recipe_version": 0}, "recipe version 0"),
        ({"settings": {**SETTINGS, "learningRate": 0.5}}, "other settings"),
        ({"settings": {}}, "other settings"),
        ({"image": "trainer:2"}, "image trainer:2"),
        ({"image": None}, r"image \(none\)"),
        ({"versions": {**MAKER.versions, "torch": "2.1"}}, "versions of torch"),
        ({"versions": {"torch": "2.0"}}, "versions of transformers"),
        ({"predictions": {}}, "no RTE.tsv"),
        ({"test_data": {}}, "no RTE.tsv"),
        ({"test_data": {"RTE.tsv": "fedcba9876543210"}}, "no RTE.tsv"),
    ],
)
def test_a_result_is_taken_if_all_that_decides_it_is_the_same(fields: dict[str, Any], words: str | None) -> None:
    said = objection(PLAN, RUN, result(**fields), MAKER, TESTED)
    if words is None:
        assert said is None
    else:
        with pytest.raises(AssertionError, match=words):
            raise AssertionError(said)


def test_who_predicts_nothing_does_not_ask_for_predictions() -> None:
    assert objection(PLAN, RUN, result(predictions={}, test_data={}), MAKER, {}) is None


def test_an_id_over_what_cannot_be_pinned_says_nothing() -> None:
    task = PLAN.tasks["rte"]
    loose = task.model_copy(update={"data": task.data.model_copy(update={"pinned": False})})
    assert is_pinned(PLAN, "rte")
    assert not is_pinned(PLAN.model_copy(update={"tasks": {**PLAN.tasks, "rte": loose}}), "rte")
    assert not is_pinned(PLAN.model_copy(update={"model": PLAN.model.model_copy(update={"pinned": False})}), "rte")


def tables(plan: Plan, origins: dict[tuple[str, int], str | None]) -> tuple[str, str, str]:
    results = [result_of(plan, *key, 0.5, taken_from=origin) for key, origin in origins.items()]
    found = {one.run_id: one for one in results}
    document = build_document(plan, found, {}, uri="file:///x", models={})
    return tuple(made(document).decode() for made in (results_csv, runs_csv, results_markdown))


def test_taken_runs_are_marked_and_change_no_figure() -> None:
    own = tables(PLAN, {("cola", 0): None, ("cola", 1): None, ("rte", 0): None})
    taken = tables(PLAN, {("cola", 0): "base", ("cola", 1): "base", ("rte", 0): "other"})
    assert taken[0] == own[0]
    assert "taken_from" not in own[1]
    header, *rows = taken[1].splitlines()
    place = header.split(",").index("taken_from")
    assert [row.split(",")[place] for row in rows] == ["base", "base", "other"]
    sentences = (
        "Not trained here, but taken from base, which had the same runs: 2 of cola.",
        "Not trained here, but taken from other, which had the same runs: 1 of rte.",
    )
    assert all(sentence in taken[2] for sentence in sentences)
    assert taken[2].replace("\n\n".join(sentences) + "\n\n", "") == own[2]
