import csv
import io
import json

import pytest

from finetune_core.leaderboard.submission import SubmissionState
from finetune_core.planning.plan import Plan
from finetune_core.results.document import build_document
from finetune_core.results.run import Failure, FailureReason, RunResult, Sparsity, SparsityRecord
from finetune_core.results.schema import ResultsDocument, RunState, SubmissionRow
from finetune_core.tables.experiment import results_csv, results_markdown
from finetune_core.tables.runs import runs_csv
from support.results import plan_of, result_of

PLAN = plan_of({"cola": 3, "mrpc": 2, "price": 1})


def failure(plan: Plan, task: str, run: int, message: str) -> Failure:
    planned = plan.runs_of(task)[run]
    return Failure(
        reason=FailureReason.OUT_OF_MEMORY,
        message=message,
        run_id=planned.run_id,
        task=task,
        run=run,
        attempt="a",
        exit_code=64,
        time="2026-01-01T00:00:00Z",
    )


def document(plan: Plan = PLAN, results: list[RunResult] | None = None, **fields: object) -> ResultsDocument:
    given = {
        "failures": {},
        "models": {},
        "uri": "s3://bucket/team/demo",
        **fields,
    }
    return build_document(plan, {result.run_id: result for result in results or []}, **given)  # type: ignore[arg-type]


RESULTS = [
    result_of(PLAN, "cola", 0, 0.5512),
    result_of(PLAN, "cola", 1, 0.6034, step=150),
    result_of(PLAN, "mrpc", 0, 0.9012, metrics={"accuracy": 0.8634}),
    result_of(PLAN, "mrpc", 1, 0.8912, metrics={"accuracy": 0.8712}),
    result_of(PLAN, "price", 0, 0.123456, metrics={"pearson": 0.9}),
]
LOST = PLAN.runs_of("cola")[2].run_id


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def table(content: bytes) -> dict[str, list[str]]:
    lines = [line for line in content.decode().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    return {row[0]: row[1:] for row in cells}


def test_csv_has_one_row_a_task_and_metric() -> None:
    found = rows(results_csv(document(results=RESULTS)))
    assert [(row["task"], row["metric"]) for row in found] == [
        ("cola", "matthews_correlation"),
        ("mrpc", "f1"),
        ("mrpc", "accuracy"),
        ("price", "mse"),
        ("price", "pearson"),
    ]
    accuracy = found[2]
    assert accuracy["chosen_by"] == "f1"
    assert accuracy["best"] == "0.8634"
    assert accuracy["best_run_id"] == PLAN.runs_of("mrpc")[0].run_id
    assert (accuracy["best_run"], accuracy["n"]) == ("0", "2")
    assert float(accuracy["mean"]) == pytest.approx((0.8634 + 0.8712) / 2)
    assert float(accuracy["score"]) == pytest.approx(100 * (0.9012 + 0.8634) / 2)


def test_csv_leaves_empty_what_there_is_none_of() -> None:
    cola = rows(results_csv(document()))[0]
    assert (cola["n"], cola["mean"], cola["std"], cola["best"], cola["best_run_id"]) == ("0", "", "", "", "")
    assert (cola["planned"], cola["succeeded"]) == ("3", "0")


def test_runs_csv_lists_every_planned_run_with_its_state_and_all_its_metrics() -> None:
    message = 'CUDA out of memory,\nlower "perDeviceTrainBatchSize"'
    failures = {LOST: failure(PLAN, "cola", 2, message)}
    found = rows(runs_csv(document(results=RESULTS[:3], failures=failures)))
    assert [row["state"] for row in found] == ["Succeeded", "Succeeded", "Failed", "Succeeded", "Missing", "Missing"]
    assert found[2]["reason"] == "OutOfMemory"
    assert found[2]["message"] == message
    assert found[1]["metric_matthews_correlation"] == "0.6034"
    assert found[1]["metric_f1"] == ""
    assert found[3]["metric_accuracy"] == "0.8634"
    assert [row["seed"] for row in found] == [str(run.seed) for run in PLAN.runs]


def test_markdown_has_both_metrics_in_per_cent_with_two_decimals() -> None:
    found = table(results_markdown(document(results=RESULTS)))
    runs, metrics, best, spread, score, run, step = found["mrpc"]
    assert runs == "2/2"
    assert metrics == "f1 (decides) / accuracy"
    assert best == "90.12 / 86.34"
    assert spread == "89.62 ± 0.71 (2) / 86.73 ± 0.55 (2)"
    assert score == "88.23"
    assert run.startswith("0 (seed ")
    assert step == "75"
    assert found["cola"][2] == "60.34"
    assert found["cola"][6] == "150"


def test_markdown_leaves_errors_as_they_were_measured() -> None:
    found = table(results_markdown(document(results=RESULTS)))["price"]
    assert found[2] == "0.1235 / 90.00"
    assert found[4] == "–"


def test_markdown_says_which_tasks_the_scores_cover() -> None:
    text = results_markdown(document(results=RESULTS)).decode()
    assert "GLUE score over 2 of 9 tasks only: **74.28**" in text
    assert "over cola, mrpc; missing: sst2, stsb, qqp, mnli, qnli, rte, wnli" in text
    assert "price" not in text.split("GLUE score")[1].split("\n")[0]
    assert "GLUE score: none; no result for cola" in results_markdown(document()).decode()


def test_markdown_tells_of_failed_runs_and_why_on_one_line_each() -> None:
    failures = {LOST: failure(PLAN, "cola", 2, "out of\nmemory | lower it")}
    text = results_markdown(document(results=RESULTS, failures=failures)).decode()
    assert table(text.encode())["cola"][0] == "2/3, 1 failed"
    assert f"- cola run 2 ({LOST}): OutOfMemory: out of memory | lower it\n" in text


def test_markdown_tells_of_a_failure_without_a_reason() -> None:
    text = results_markdown(document(results=RESULTS, failures={LOST: None})).decode()
    assert f"- cola run 2 ({LOST}): failed, and left no reason" in text


def test_markdown_names_what_is_not_pinned() -> None:
    plan = PLAN.model_copy(update={"model": PLAN.model.model_copy(update={"pinned": False})})
    assert "Not pinned to their content" in results_markdown(document(plan)).decode()
    assert "Not pinned" not in results_markdown(document(PLAN)).decode()


def test_markdown_says_why_there_is_no_zip() -> None:
    refused = SubmissionRow(
        state=SubmissionState.REFUSED,
        sha256=None,
        missing=("SST-2.tsv",),
        placeholders=(),
        problems=("RTE.tsv: 12 rows; the test set has 3000",),
    )
    text = results_markdown(document().model_copy(update={"submission": refused})).decode()
    assert "- SST-2.tsv: missing" in text
    assert "- RTE.tsv: 12 rows; the test set has 3000" in text
    assert "demo/submission.zip" not in text


def test_markdown_marks_placeholders() -> None:
    marked = SubmissionRow(
        state=SubmissionState.WITH_PLACEHOLDERS, sha256="ab", missing=(), placeholders=("AX.tsv",), problems=()
    )
    text = results_markdown(document().model_copy(update={"submission": marked})).decode()
    assert "Placeholders, not predictions: AX.tsv." in text
    assert "- s3://bucket/team/demo/submission.zip (of its files these are placeholders: AX.tsv)\n" in text


def test_document_survives_json_and_is_the_same_bytes_twice() -> None:
    one = document(results=RESULTS)
    assert ResultsDocument.model_validate_json(one.to_json()) == one
    assert document(results=RESULTS[::-1]).to_json() == one.to_json()
    assert json.loads(one.to_json())["reportDigest"] == one.report_digest


def test_document_of_a_later_version_with_more_fields_can_be_read() -> None:
    raw = json.loads(document(results=RESULTS).to_json()) | {"colour": "blue"}
    assert ResultsDocument.model_validate(raw) == document(results=RESULTS)


def test_document_has_the_sparsity_of_the_model_as_it_was_loaded() -> None:
    loaded = Sparsity(weights=10, masked=8, non_zero=2, sparsity=0.8, parameters=12, non_zero_parameters=4)
    trained = loaded.model_copy(update={"non_zero": 1, "sparsity": 0.9, "non_zero_parameters": 3})
    sparse = SparsityRecord(type="static_sparse_encoder_bert", before=loaded, after=trained)
    assert document(results=[result_of(PLAN, "cola", 0, 0.5, sparsity=sparse)]).sparsity == 0.8
    assert document(results=[result_of(PLAN, "cola", 0, 0.5)]).sparsity == 0.0
    assert document().sparsity is None


def test_best_pointer_says_where_the_files_lie() -> None:
    best = PLAN.runs_of("cola")[1]
    folder = f"team/demo/runs/cola/{best.run_id}/attempts/attempt-1/model"
    made = document(results=RESULTS, models={best.run_id: folder})
    pointer = made.tasks[0].best
    assert pointer is not None
    assert (pointer.run_id, pointer.run, pointer.seed) == (best.run_id, 1, best.seed)
    assert (pointer.value, pointer.step) == (0.6034, 150)
    assert pointer.folder == f"runs/cola/{best.run_id}"
    assert pointer.model == f"runs/cola/{best.run_id}/attempts/attempt-1/model"


def test_best_pointer_names_no_model_that_is_not_there() -> None:
    pointer = document(results=RESULTS).tasks[0].best
    assert pointer is not None
    assert pointer.model is None


def test_a_result_beats_a_reported_failure() -> None:
    made = document(results=RESULTS, failures={RESULTS[0].run_id: None})
    assert made.runs[0].state == RunState.SUCCEEDED
    assert made.tasks[0].failed == 0
    assert made.report_digest == document(results=RESULTS).report_digest
