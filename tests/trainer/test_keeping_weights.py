"""Which weights pods send, and the report leaves: those of a task's two best runs are always among them."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from finetune_core.results.run import RunResult
from finetune_report.build import _document
from finetune_report.gather import gather
from finetune_report.retention import apply_retention
from finetune_store import DirectoryStore
from finetune_trainer.stored.written import keeps_model
from support.report_store import MODEL_FILES, layout_of
from support.results import plan_of, result_of

RUNS = 5
PLAN = plan_of({"rte": RUNS}, retention={"models": "Best"})
VALUES = st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]))


def best_two(values: dict[int, float | None]) -> set[int]:
    """By the definition: more is better, ties go to the lower run, without a value none is in it."""
    ordered = sorted((-value, run) for run, value in values.items() if value is not None)
    return {run for _, run in ordered[:2]}


def send(store: DirectoryStore, result: RunResult) -> None:
    folder = layout_of(PLAN).run("rte", result.run_id).model(result.attempt)
    for name in MODEL_FILES:
        store.put(f"{folder}/{name}", b"weights")


def there(store: DirectoryStore, result: RunResult) -> bool:
    folder = layout_of(PLAN).run("rte", result.run_id).model(result.attempt)
    return all(store.stat(f"{folder}/{name}") for name in MODEL_FILES)


def drop(store: DirectoryStore) -> None:
    """What a report does when it is written."""
    findings = gather(store, PLAN, [])
    apply_retention(store, PLAN, _document(store, PLAN, findings), findings)


@given(st.lists(VALUES, min_size=RUNS, max_size=RUNS), st.data())
def test_whenever_pods_finish_and_reports_are_made_the_two_best_have_their_weights(values, data) -> None:
    """A pod looks, sends and writes its result at three times; others, and reports, come in between."""
    results = [result_of(PLAN, "rte", run, value) for run, value in enumerate(values)]
    left = {run: ["look", "send", "write"] for run in range(RUNS)}
    keeps: dict[int, bool] = {}
    done: dict[int, float | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        while left:
            run = data.draw(st.sampled_from([*left, "report"]))
            if run == "report":
                drop(store)
            else:
                step = left[run].pop(0)
                if step == "look":
                    keeps[run] = keeps_model(store, PLAN, results[run])
                elif step == "send" and keeps[run]:
                    send(store, results[run])
                elif step == "write":
                    store.put(layout_of(PLAN).run("rte", results[run].run_id).result, results[run].to_json())
                    done[run] = values[run]
                    del left[run]
            assert {run for run in done if there(store, results[run])} >= best_two(done)
        drop(store)
        kept = {run for run in done if there(store, results[run])}
        assert kept == best_two(done)
