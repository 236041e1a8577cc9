"""A published run done again from its provenance: on this machine every prediction is the same."""

import json
from pathlib import Path

import pytest
import yaml

from finetune_core.planning.plan import Plan
from finetune_core.publishing.facts import Facts, facts_of
from finetune_core.publishing.findings import Finding, Verdict, check_rerun
from finetune_core.results.run import RunResult
from glue_demo import tiny_bert, write
from support.results import plan_of, result_of

from .conftest import Run

TRAINING = {"maxSteps": 8, "evalSteps": 4, "trainBatchSize": 8, "learningRate": 1e-3, "maxSeqLength": 32}
HERE = {"cpu": "one", "cores": 2, "gpu": None}


@pytest.mark.timeout(900)
def test_on_the_same_machine_predictions_and_metrics_are_the_same(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUNE_WORK", str(tmp_path / "trainer"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write(tmp_path / "glue", train_rows=48, dev_rows=32, test_rows=8)
    tiny_bert(tmp_path / "model")
    spec = {
        "model": {"uri": f"file://{tmp_path}/model"},
        "data": {"uri": f"file://{tmp_path}/glue"},
        "tasks": [{"name": "rte"}],
        "runs": 1,
        "training": TRAINING,
    }
    head = {"apiVersion": "finetune.dev/v1alpha1", "kind": "FinetuneExperiment", "metadata": {"name": "local"}}
    Path("local.yaml").write_text(yaml.safe_dump({**head, "spec": spec}))
    where = ("-n", "default", "--store", str(tmp_path / "store"))
    assert run("run", "local.yaml", *where).code == 0
    assert run("publish", "local", "--to", str(tmp_path / "out"), "--predictions", *where).code == 0

    # Where model and data lay is not published: they have to be named.
    assert run("verify", str(tmp_path / "out"), "--rerun").code == 2
    inputs = ("--model", str(tmp_path / "model"), "--data", str(tmp_path / "glue"))
    said = run("verify", str(tmp_path / "out"), "--rerun", *inputs, "-o", "json")

    assert said.code == 0, said.text
    found = {one["what"]: one["verdict"] for one in json.loads(said.out)}
    assert found["predictions/RTE.tsv of the run done again"] == "equal"
    assert found["dev/validation.tsv of the run done again"] == "equal"
    assert found["accuracy of the run done again"] == "equal"

    # Other data is not trained on.
    train = tmp_path / "glue/RTE/train.tsv"
    train.write_bytes(train.read_bytes()[:-1])
    said = run("verify", str(tmp_path / "out"), "--rerun", *inputs)
    assert said.code == 4
    assert f"{tmp_path / 'glue'} is not the data of the run" in said.text


def published(*values: float) -> tuple[Plan, Facts]:
    """Run 0 of RTE, with the figures of all its seeds."""
    from support.documents import document_of  # noqa: PLC0415

    plan = plan_of({"rte": len(values)})
    predictions = {"RTE.tsv": b"a"}
    result = result_of(plan, "rte", 0, values[0], predictions=predictions, hardware=HERE)
    row = document_of({"rte": values}).tasks[0]
    return plan, facts_of(plan, plan.runs[0], result, row, licence="mit", version="0.1.0")


def again(plan: Plan, value: float, predictions: bytes, **fields: object) -> RunResult:
    return result_of(plan, "rte", 0, value, predictions={"RTE.tsv": predictions}, **{"hardware": HERE, **fields})


def verdicts(facts: Facts, result: RunResult) -> tuple[Verdict, Verdict]:
    """Of the predictions and of the accuracy."""
    tested, measured = list[Finding](check_rerun(facts, result))
    return tested.verdict, measured.verdict


ELSEWHERE = {"hardware": {"cpu": "another", "cores": 8, "gpu": "H200"}}


@pytest.mark.parametrize(
    ("value", "predictions", "fields", "expected"),
    [
        (0.60, b"a", {}, (Verdict.EQUAL, Verdict.EQUAL)),
        (0.60, b"b", {}, (Verdict.DIFFERS, Verdict.EQUAL)),
        (0.61, b"a", {}, (Verdict.EQUAL, Verdict.DIFFERS)),
        (0.60, b"b", {"versions": {"torch": "1"}}, (Verdict.UNKNOWN, Verdict.EQUAL)),
        # The standard deviation of 0.60, 0.62, 0.64 is 0.02: two of them are 0.04.
        (0.639, b"b", ELSEWHERE, (Verdict.UNKNOWN, Verdict.EQUAL)),
        (0.645, b"b", ELSEWHERE, (Verdict.UNKNOWN, Verdict.DIFFERS)),
        (0.60, b"a", ELSEWHERE, (Verdict.EQUAL, Verdict.EQUAL)),
    ],
)
def test_elsewhere_metrics_may_differ_by_what_seeds_do(
    value: float, predictions: bytes, fields: dict[str, object], expected: tuple[Verdict, Verdict]
) -> None:
    plan, facts = published(0.60, 0.62, 0.64)
    assert verdicts(facts, again(plan, value, predictions, **fields)) == expected


def test_of_one_seed_there_is_no_spread() -> None:
    plan, facts = published(0.60)
    assert verdicts(facts, again(plan, 0.61, b"b", **ELSEWHERE)) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert verdicts(facts, again(plan, 0.60, b"b", **ELSEWHERE))[1] == Verdict.EQUAL
