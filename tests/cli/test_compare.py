"""`finetune compare`: two experiments by name, URI or path, in every format."""

import builtins
import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from finetune_cli.shown.comparison import comparison_page
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan
from finetune_core.results.comparison.experiments import compare
from finetune_core.results.comparison.schema import Comparison, ItemComparison, Verdict
from finetune_core.results.schema import ResultsDocument
from finetune_report.significance import t_test
from finetune_store import DirectoryStore, Store
from support.documents import document_of
from support.report_store import finish_predicted_run, finish_run
from support.results import plan_of
from support.world import World, spec_of

from .conftest import Run

LOW, HIGH = [0.60, 0.62, 0.61, 0.63, 0.60], [0.70, 0.71, 0.73, 0.72, 0.71]

Documents = tuple[ResultsDocument, ResultsDocument]


def put(store: Store, document: ResultsDocument) -> ResultsDocument:
    store.put(ExperimentLayout(document.namespace, document.experiment).results("json"), document.to_json())
    return document


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def two(store: DirectoryStore) -> Documents:
    """The reports of `team/untuned` and of `team/tuned`, which is better by ten points."""
    untuned = put(store, document_of({"rte": LOW, "cola": [0.5]}, name="untuned"))
    return untuned, put(store, document_of({"rte": HIGH, "cola": [0.6]}, name="tuned", model="s3://models/large"))


def where(store: DirectoryStore) -> tuple[str, ...]:
    return ("-n", "team", "--store", store.uri())


def test_two_names_give_a_line_a_task_with_its_verdict(store: DirectoryStore, two: Documents, run: Run) -> None:
    said = run("compare", "untuned", "tuned", *where(store))

    assert (said.code, said.err) == (0, "")
    assert "Before: team/untuned, model s3://models/tiny" in said.text
    assert "After: team/tuned, model s3://models/large" in said.text
    assert "+10.20 [+8.58, +11.82] <0.001 (<0.001) paired (5) better" in said.text
    assert "+10.00 – paired (1) too few seeds" in said.text
    assert "Overall: mean task score over cola, rte: 55.60 → 65.70 (+10.10)" in said.text
    assert "Holm's correction is over the 1 tested task;" in said.text


def test_the_other_way_round_it_is_worse(store: DirectoryStore, two: Documents, run: Run) -> None:
    assert (
        "-10.20 [-11.82, -8.58] <0.001 (<0.001) paired (5) worse"
        in run("compare", "tuned", "untuned", *where(store)).text
    )


@pytest.mark.parametrize(
    "place", [lambda store: f"{store.uri()}/team/tuned", lambda store: f"{store.uri()}/team/tuned/"]
)
def test_an_experiment_may_be_the_uri_of_its_folder(
    store: DirectoryStore, two: Documents, run: Run, place: Callable[[DirectoryStore], str]
) -> None:
    assert "paired (5) better" in run("compare", "untuned", place(store), *where(store)).text


def test_experiments_may_be_paths_and_lie_in_different_stores(
    store: DirectoryStore, two: Documents, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(DirectoryStore(tmp_path / "else"), document_of({"rte": HIGH}, name="tuned", namespace="other"))
    monkeypatch.chdir(tmp_path)

    said = run("compare", "./store/team/untuned", str(tmp_path / "else" / "other" / "tuned"))

    assert said.code == 0
    assert "After: other/tuned" in said.text
    assert "paired (5) better" in said.text


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("csv", "team/untuned,team/tuned,metric,rte,accuracy,True,5,"),
        ("md", "| rte | accuracy | 61.20 ± 1.30 (5) |"),
        ("latex", r"rte & accuracy & 61.20 $\pm$ 1.30 (5) &"),
        ("html", '<td class="whose">better</td>'),
        ("yaml", "verdict: better"),
    ],
)
def test_it_comes_in_every_format(store: DirectoryStore, two: Documents, run: Run, output: str, words: str) -> None:
    said = run("compare", "untuned", "tuned", "-o", output, *where(store))
    assert words in said.out
    assert "\x1b" not in said.out


def test_json_is_the_comparison_of_the_two_reports(store: DirectoryStore, two: Documents, run: Run) -> None:
    said = run("compare", "untuned", "tuned", "-o", "json", "--no-items", *where(store))
    assert Comparison.model_validate_json(said.out) == compare(*two, t_test)


def test_csv_agrees_with_json(store: DirectoryStore, two: Documents, run: Run) -> None:
    (_, rte, _) = csv.DictReader(io.StringIO(run("compare", "untuned", "tuned", "-o", "csv", *where(store)).out))
    made = compare(*two, t_test).tasks[1]
    assert (float(rte["p"]), float(rte["low"])) == (made.p, made.low)


def test_runs_so_far_are_compared_and_said_to_be_so(store: DirectoryStore, two: Documents, run: Run) -> None:
    plan = plan_of({"rte": 3})
    store.put(ExperimentLayout(plan.namespace, plan.experiment).plan, plan.to_bytes())
    for index in range(2):
        finish_run(store, plan, "rte", index, 0.5 + index / 100)

    said = run("compare", "demo", "tuned", *where(store))

    assert "Not all runs of demo have ended" in said.err
    assert "rte, before: runs left out: 1 not ended." in said.text
    assert "paired (2)" in said.text


LABELS = "01" * 10
WRONG = {"first": (0, 1, 2, 3, 4, 5, 6, 7), "second": (0, 1)}
"""Rows that each experiment's runs are wrong about: of 20 the first alone about six, the second about none."""


def predicted(store: Store, name: str, *, data: str = "d1") -> Plan:
    """`team/<name>`: two runs of RTE that have kept what they said of 20 rows."""
    plan = plan_of({"rte": 2}).model_copy(update={"experiment": name})
    store.put(ExperimentLayout(plan.namespace, name).plan, plan.to_bytes())
    guesses = "".join(str(1 - int(label)) if row in WRONG[name] else label for row, label in enumerate(LABELS))
    for run in range(2):
        finish_predicted_run(store, plan, "rte", run, LABELS, guesses, data=data)
    return plan


def test_models_are_compared_row_by_row_where_runs_kept_their_dev_predictions(store: DirectoryStore, run: Run) -> None:
    seeds = [one.seed for one in predicted(store, "first").runs]
    predicted(store, "second")
    said = run("compare", "first", "second", *where(store))
    assert (
        f"rte, row by row over 20 rows of the dev set (digest d1), models of the seeds {min(seeds)}, {max(seeds)}: "
        "accuracy 60.00 → 90.00, +30.00 ["
    ) in said.text
    # Six rows, all in favour of one: 2 / 2**6, and by Holm over two pairs twice that.
    assert said.text.count("0 right before alone, 6 after alone, p 0.031 (0.062)") == 2
    assert "row by row" not in run("compare", "first", "second", "--no-items", *where(store)).text


def test_two_runs_are_compared_by_id_or_by_task_and_number(store: DirectoryStore, run: Run) -> None:
    runs = predicted(store, "first").runs
    predicted(store, "second")
    said = run("compare", "first", "second", "--runs", "rte/0", runs[1].run_id, "-o", "json", *where(store))
    assert said.code == 0
    made = ItemComparison.model_validate_json(said.out)
    assert (made.items, made.before_seeds, made.after_seeds) == (20, (runs[0].seed,), (runs[1].seed,))
    assert [(pair.only_before, pair.only_after, pair.p) for pair in made.pairs] == [(0, 6, 2 / 2**6)]
    alone = run("compare", "first", "first", "--runs", "rte/0", "rte/1", "-o", "csv", *where(store))
    assert [row["kind"] for row in csv.DictReader(io.StringIO(alone.out))] == ["bootstrap", "mcnemar"]


def test_other_dev_sets_are_refused_with_both_digests(store: DirectoryStore, run: Run) -> None:
    predicted(store, "first")
    predicted(store, "second", data="d2")
    words = "the dev sets differ (digest d1 before, d2 after)"
    assert f"rte, row by row: not compared: {words}" in run("compare", "first", "second", *where(store)).text
    said = run("compare", "first", "second", "--runs", "rte/0", "rte/0", *where(store))
    assert said.code == 1
    assert words in said.text


def test_a_file_that_was_changed_is_left_out_with_a_word(store: DirectoryStore, run: Run) -> None:
    plan = predicted(store, "first")
    predicted(store, "second")
    layout = ExperimentLayout("team", "first").run("rte", plan.runs[0].run_id)
    store.put(layout.dev_predictions("attempt-0", "validation.tsv"), b"index\n")
    text = run("compare", "first", "second", *where(store)).text
    assert "was changed after its run" in text
    assert f"models of the seed {plan.runs[1].seed}" in text


def test_results_of_before_there_were_dev_predictions_are_said_to_have_none(
    store: DirectoryStore, two: Documents, run: Run
) -> None:
    text = run("compare", "untuned", "tuned", *where(store)).text
    assert "rte, row by row: not compared: no run before has dev predictions" in text
    assert "paired (5) better" in text


def test_other_data_are_warned_of(store: DirectoryStore, two: Documents, run: Run) -> None:
    tasks = tuple(task.model_copy(update={"data_digest": "md5s:other"}) for task in two[1].tasks)
    put(store, two[1].model_copy(update={"tasks": tasks}))
    assert "Warning: rte: the data have different contents" in run("compare", "untuned", "tuned", *where(store)).text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("untuned", "untuned"), 2, "untuned is named twice"),
        (("untuned", "fte/untuned"), 2, "untuned and fte/untuned are one experiment"),
        (("untuned", "hps/hunt"), 2, "hps/hunt is a search"),
        (("untuned", "s3://bucket"), 2, "s3://bucket is no experiment's folder"),
        (("untuned", "s3://bucket/first"), 2, "It is STORE/NAMESPACE/NAME"),
        (("untuned", "/"), 2, "/ is no experiment's folder"),
        (("untuned", "gone"), 3, "there is no experiment team/gone"),
        (("untuned", "easy"), 1, "team/untuned and team/easy have no task in common The first has cola, rte; the"),
        (("untuned",), 2, "Missing argument 'AFTER'"),
    ],
)
def test_what_cannot_be_compared_is_said(
    store: DirectoryStore, two: Documents, run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    put(store, document_of({"wnli": [0.5]}, name="easy"))

    said = run("compare", *arguments, *where(store))

    assert said.code == code
    assert words in said.text
    assert said.out == ""


def test_without_scipy_it_is_said_what_to_install(
    store: DirectoryStore, two: Documents, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "finetune_report.significance")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "scipy":
            raise ModuleNotFoundError("No module named 'scipy'", name="scipy")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    said = run("compare", "untuned", "tuned", *where(store))

    assert said.code == 1
    assert "pip install scipy" in said.text


def test_scipy_is_imported_by_this_command_alone() -> None:
    words = "import sys, finetune_cli.app as app; app.main(['compare', '--help']); sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False, capture_output=True).returncode == 0


def test_verdicts_have_colours_on_a_terminal_alone(two: Documents) -> None:
    made = compare(*two, t_test)
    assert made.tasks[1].verdict == Verdict.BETTER
    for terminal in (True, False):
        console = Console(
            file=io.StringIO(), force_terminal=terminal, width=200, color_system="standard" if terminal else None
        )
        console.print(comparison_page(made))
        assert ("\x1b[1;32mbetter" in console.file.getvalue()) == terminal  # type: ignore[attr-defined]


@pytest.mark.apiserver
@pytest.mark.s3
def test_experiments_of_a_cluster_are_found_by_their_specs(world: World, run: Run) -> None:
    for name in ("first", "second"):
        world.apply(name, spec_of(world.server, {"rte": 2}))
        world.to_the_end(name)

    said = run("compare", "first", "second", "-n", world.namespace)

    assert said.code == 0
    assert f"After: {world.namespace}/second" in said.text
    assert "1.000 (1.000) paired (2) no significant difference" in said.text
