"""Documents of 1.5 GB, and torn ones, where several look: nobody takes the memory, and nobody ends in a traceback."""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from finetune_cli.app import main
from finetune_cli.local.planning import PlannedSearch
from finetune_cli.local.programs import Programs
from finetune_cli.local.searching import LocalSearch
from finetune_client.errors import ClientError
from finetune_core.api import Execution, ModelRetention
from finetune_core.deciding.executor import JOB
from finetune_core.layout import ExperimentLayout
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_operator.children.reader import Children
from finetune_operator.kinds.experiment_observer import Observer, read_report
from finetune_operator.memory import Memory
from finetune_report.errors import ReportError
from finetune_store import DirectoryStore
from finetune_ui.content import Opened, read_content
from support.filled_store import finished_experiment, running_experiment, running_search
from support.report_store import finish_run, layout_of
from support.results import plan_of, result_of

DEMO = ExperimentLayout("team", "demo")
NOW = datetime.now(UTC)
HUGE = 1_500_000_000
"""Bytes."""


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def make_huge(store: DirectoryStore, *keys: str) -> None:
    """Objects of 1.5 GB that take no room on the disk."""
    for key in keys:
        store.put(key, b"{")
        os.truncate(Path(store.uri(key).removeprefix("file://")), HUGE)


@contextmanager
def little_memory() -> Iterator[None]:
    """At most 32 MiB at a time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


class NoChildren:
    """No Job and no pod."""

    def jobs(self) -> tuple[Any, ...]:
        return ()

    def pods(self) -> tuple[Any, ...]:
        return ()

    def hindered(self) -> tuple[Any, ...]:
        return ()


def test_the_operators_look_takes_no_memory_for_them(store: DirectoryStore) -> None:
    plan = finished_experiment(store, "demo", 0.6, 0.7)
    lost, whole = (run.run_id for run in plan.runs)
    make_huge(store, layout_of(plan).run("rte", lost).result, DEMO.results("json"))

    with little_memory():
        seen = Observer(cast(Children, NoChildren()), Memory()).observe(
            store, plan, Execution(), JOB, "template", now=0.0
        )
        report = read_report(store, DEMO)

    assert seen.outcomes.keys() == {whole}
    assert "has more than" in seen.unreadable[lost]
    assert report is None


@pytest.mark.parametrize("what", ["plan", "results", "result"])
def test_the_command_line_takes_no_memory_for_them(store: DirectoryStore, tmp_path: Path, what: str) -> None:
    plan = running_experiment(store)
    result = layout_of(plan).run("rte", plan.runs_of("rte")[0].run_id).result
    make_huge(store, {"plan": DEMO.plan, "results": DEMO.results("json"), "result": result}[what])
    with little_memory():
        code = main(["results", "demo", "-n", "team", "--store", str(tmp_path / "store")])
    # A result that cannot be read counts as none: the others are shown.
    assert code == 0 if what == "result" else code in range(1, 6)


def test_the_page_takes_no_memory_for_them(store: DirectoryStore) -> None:
    plan = running_experiment(store)
    run = layout_of(plan).run("rte", plan.runs_of("rte")[0].run_id)
    make_huge(store, run.result, run.progress, run.metrics("z"), DEMO.results("json"))
    with little_memory():
        content = read_content(Opened.of(store), "experiments", "team", "demo", NOW)
    assert content.files == {}


@pytest.mark.parametrize("what", ["plan", "end", "result"])
def test_the_page_of_a_search_takes_no_memory_for_them(store: DirectoryStore, what: str) -> None:
    plan = running_search(store)
    layout = SearchLayout(plan.namespace, plan.search)
    keys = {
        "plan": layout.plan,
        "end": layout.end("rte"),
        "result": layout.trial(TrialKind.TRIALS, "rte", 0).result,
    }
    make_huge(store, keys[what], layout.start("rte"), layout.trial(TrialKind.TRIALS, "rte", 4).claim(0))
    # Of a search, only a plan that cannot be read leaves nothing to show.
    refused = pytest.raises((ReportError, ClientError), match="more than") if what == "plan" else nullcontext()
    with little_memory(), refused:
        read_content(Opened.of(store), "searches", "team", "hunt", NOW)


@pytest.mark.parametrize("content", [b"{", b"{}", b"[]"])
def test_a_search_on_this_machine_goes_on_beside_a_torn_trial(store: DirectoryStore, content: bytes) -> None:
    plan = running_search(store)
    store.put(SearchLayout(plan.namespace, plan.search).trial(TrialKind.TRIALS, "rte", 1).result, content)
    search = LocalSearch(cast(PlannedSearch, SimpleNamespace(plan=plan)), store, cast(Programs, None), trials=1)
    assert {trial.index for trial in search._look()} == {0, 2, 3}
    assert search._look() == []


@pytest.mark.parametrize("content", [b"{", b"[" * 200_000, b'{"runId": "x"}'])
def test_a_run_is_kept_beside_a_torn_result_of_its_sibling(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    written = pytest.importorskip("finetune_trainer.stored.written")
    plan = plan_of({"rte": 4}).model_copy(update={"retention": ModelRetention.BEST})
    torn = layout_of(plan).run("rte", plan.runs[0].run_id).result
    store.put(torn, content)
    assert written.keeps_model(store, plan, result_of(plan, "rte", 1, 0.7))
    assert store.uri(torn) in caplog.text
    for run, value in ((2, 0.8), (3, 0.9)):
        finish_run(store, plan, "rte", run, value)
    # The two best are kept.
    assert not written.keeps_model(store, plan, result_of(plan, "rte", 1, 0.7))
