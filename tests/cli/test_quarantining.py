"""What is said before a run is taken out of the results."""

from pathlib import Path

import pytest

from finetune_cli.commands.quarantining import lost_weights
from finetune_report.build import build
from finetune_store import DirectoryStore
from support.report_store import finish_run, layout_of
from support.results import plan_of

PLAN = plan_of({"rte": 3}, retention={"models": "Best"})
RUNS = PLAN.runs_of("rte")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    made = DirectoryStore(tmp_path)
    for run, value in enumerate((0.5, 0.7, 0.6)):
        finish_run(made, PLAN, "rte", run, value)
    build(made, PLAN, [], open_data=lambda _uri: None, plots=False)
    return made


def test_the_next_best_run_has_its_weights_and_nothing_is_said(store: DirectoryStore) -> None:
    assert [[*lost_weights(store, PLAN, run)] for run in RUNS] == [[], [], []]


def test_where_the_next_best_runs_weights_are_gone_it_is_said_first(store: DirectoryStore) -> None:
    store.delete(f"{layout_of(PLAN).run('rte', RUNS[2].run_id).model('attempt-2')}/config.json")
    (word,) = lost_weights(store, PLAN, RUNS[1])
    assert f"run 2 ({RUNS[2].run_id}) is the best of rte until it is done again, and the weights of that one" in word
    assert [*lost_weights(store, PLAN, RUNS[0])] == []
