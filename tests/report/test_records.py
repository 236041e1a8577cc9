import json
import os
from pathlib import Path

import pytest

from finetune_core.layout import RunLayout
from finetune_core.planning.plan import Plan
from finetune_core.results.run import Progress
from finetune_report.records import RunRecord, State, read_records
from finetune_store import DirectoryStore, ObjectInfo
from support.report_store import fail_run, finish_run, layout_of
from support.results import plan_of


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def plan(store: DirectoryStore) -> Plan:
    made = plan_of({"rte": 2})
    store.put(layout_of(made).plan, made.to_bytes())
    return made


def run_of(plan: Plan, index: int) -> RunLayout:
    return layout_of(plan).run("rte", plan.runs_of("rte")[index].run_id)


def progress(store: DirectoryStore, plan: Plan, index: int, *, modified: float) -> None:
    said = Progress(
        step=40, total_steps=100, seconds_left=6, elapsed_seconds=4, attempt="b", time="2026-01-01T00:00:00Z"
    )
    put(store, run_of(plan, index).progress, said.to_json(), modified=modified)


def put(store: DirectoryStore, key: str, content: bytes, *, modified: float) -> None:
    store.put(key, content)
    path = Path(store.uri(key).removeprefix("file://"))
    os.utime(path, (modified, modified))


def evaluations(*accuracies: float) -> bytes:
    lines = [{"step": 10 * (i + 1), "accuracy": value} for i, value in enumerate(accuracies)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def first(store: DirectoryStore, plan: Plan) -> RunRecord:
    return read_records(store, plan)[0]


def test_a_run_that_left_nothing_is_pending(store: DirectoryStore, plan: Plan) -> None:
    records = read_records(store, plan)
    assert [one.state for one in records] == [State.PENDING, State.PENDING]
    assert records[0].run == plan.runs[0]
    assert (records[0].result, records[0].progress, records[0].evaluations) == (None, None, ())


def test_a_run_under_way_has_its_progress_and_the_newest_attempts_evaluations(
    store: DirectoryStore, plan: Plan
) -> None:
    put(store, run_of(plan, 0).metrics("a"), evaluations(0.5), modified=10)
    put(store, run_of(plan, 0).metrics("b"), evaluations(0.5, 0.6), modified=20)
    progress(store, plan, 0, modified=20)
    record = first(store, plan)
    assert record.state == State.RUNNING
    assert record.progress is not None
    assert record.progress.step == 40
    assert [line.metrics["accuracy"] for line in record.evaluations] == [0.5, 0.6]


def test_a_succeeded_run_has_the_evaluations_of_the_attempt_that_counts(store: DirectoryStore, plan: Plan) -> None:
    result = finish_run(store, plan, "rte", 0, 0.7)
    put(store, run_of(plan, 0).metrics(result.attempt), evaluations(0.7), modified=10)
    put(store, run_of(plan, 0).metrics("late"), evaluations(0.1), modified=20)
    record = first(store, plan)
    assert record.state == State.SUCCEEDED
    assert record.result == result
    assert [line.metrics["accuracy"] for line in record.evaluations] == [0.7]


@pytest.mark.parametrize(("failed_at", "state"), [(30, State.FAILED), (10, State.RUNNING)])
def test_a_failure_counts_until_a_later_attempt_makes_progress(
    store: DirectoryStore, plan: Plan, failed_at: float, state: State
) -> None:
    fail_run(store, plan, "rte", 0, "no such column")
    key = run_of(plan, 0).failure("a")
    put(store, key, store.get(key), modified=failed_at)
    progress(store, plan, 0, modified=20)
    record = first(store, plan)
    assert record.state == state
    assert (record.failure is not None) == (state == State.FAILED)


def test_what_is_torn_is_left_out_and_the_rest_is_told(store: DirectoryStore, plan: Plan) -> None:
    put(store, run_of(plan, 0).metrics("a"), b'{"step": 1, "accu', modified=10)
    store.put(run_of(plan, 0).progress, b"{}")
    progress(store, plan, 1, modified=10)
    torn, whole = read_records(store, plan)
    assert (torn.state, torn.progress, torn.evaluations) == (State.RUNNING, None, ())
    assert whole.progress is not None


def test_only_the_newest_files_are_read(store: DirectoryStore, plan: Plan) -> None:
    for attempt, time in (("a", 10), ("b", 20)):
        put(store, run_of(plan, 0).metrics(attempt), evaluations(0.5), modified=time)
    seen: list[str] = []

    def read(info: ObjectInfo, limit: int) -> bytes:
        seen.append(info.key)
        return store.get(info.key, limit=limit)

    read_records(store, plan, read)
    assert seen == [run_of(plan, 0).metrics("b")]
