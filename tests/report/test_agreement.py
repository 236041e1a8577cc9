"""Whatever the runs left: tables, pointers, weights and predictions all speak of one and the same best run."""

import csv
import io
import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_client.result_sets import Where, all_documents
from finetune_core.tables.results import Statistic, results_table
from finetune_core.tables.results_formats import table_csv
from finetune_store import DirectoryStore
from support.drawn_report import check_report, empty_store, pointer_of, prediction, report
from support.drawn_runs import CUSTOM, DrawnExperiment, Left, experiments, leave
from support.merged_table import check_cells, check_scores, check_shown
from support.report_store import layout_of, read_json

DRAWN = experiments(("cola", "mrpc", "mnli", "rte", *CUSTOM))


@settings(max_examples=50)
@given(DRAWN)
def test_table_pointer_weights_and_predictions_agree(drawn: DrawnExperiment) -> None:
    with empty_store() as store:
        left = leave(store, "demo", drawn, prediction)
        left.arrive(part=0, parts=1)
        report(left)
        check_report(left)


@settings(max_examples=20)
@given(st.lists(DRAWN, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_table_over_experiments_says_what_their_pointers_say(drawn: list[DrawnExperiment], chance: Random) -> None:
    with empty_store() as store:
        all_left = [leave(store, f"exp-{k}", one, prediction) for k, one in enumerate(drawn)]
        # Some are reported up to three times, with more runs each time.
        parts = {left.name: chance.randint(1, 3) for left in all_left}
        order = [left for left in all_left for _ in range(parts[left.name])]
        chance.shuffle(order)
        reported: dict[str, int] = {}
        for left in order:
            part = reported.get(left.name, 0)
            left.arrive(part=part, parts=parts[left.name])
            report(left)
            reported[left.name] = part + 1
            check_merged(store, [one for one in all_left if one.name in reported])
        for left in all_left:
            check_report(left)
        check_json(store, all_left)


def check_merged(store: DirectoryStore, reported: list[Left]) -> None:
    """Every cell of the namespace's tables against pointers, and against figures worked out by hand."""
    rows = list(csv.DictReader(io.StringIO(store.get("team/finetuning_results.csv").decode())))
    for left in reported:
        own = [row for row in rows if row["experiment"] == left.name]
        metrics = [row for row in own if row["kind"] == "metric"]
        assert sorted((row["task"], row["metric"]) for row in metrics) == sorted(
            (task, metric) for task in left.drawn.runs for metric in left.rows(task)
        )
        digest = read_json(store, layout_of(left.plan).results("json"))["reportDigest"]
        assert {row["report_digest"] for row in own} == {digest}
        for row in metrics:
            check_cells(left, row["task"], pointer_of(left, row["task"]), row)
        check_scores(left, [row for row in own if row["kind"] == "score"])
    assert {row["experiment"] for row in rows} == {left.name for left in reported}
    check_shown(reported, store.get("team/finetuning_results.md").decode())


def check_json(store: DirectoryStore, all_left: list[Left]) -> None:
    """What `finetune results --all` has as JSON and CSV: the pointers, and the namespace's own table to the byte."""
    notes: list[str] = []
    documents = all_documents(Where(store.uri(), None, "team", notes.append))
    table = results_table(documents, Statistic.BEST)
    assert notes == []
    rows = json.loads(table.to_json())["experiments"]
    best = {row["experiment"]: {one["task"]: one["best"] for one in row["tasks"]} for row in rows}
    assert best == {left.name: {task: pointer_of(left, task) for task in left.drawn.runs} for left in all_left}
    assert table_csv(table) == store.get("team/finetuning_results.csv")
