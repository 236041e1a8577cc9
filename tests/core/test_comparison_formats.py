"""A comparison in words and as files: the figures of the same comparison, whatever the format."""

import csv
import io
from collections.abc import Sequence

import pytest

from finetune_core.results.comparison.experiments import compare
from finetune_core.results.comparison.schema import Comparison
from finetune_core.results.comparison.significance import Estimate, Kind
from finetune_core.tables.comparison_formats import (
    comparison_csv,
    comparison_html,
    comparison_latex,
    comparison_markdown,
)
from finetune_core.tables.comparison_text import COLUMNS, told
from support.documents import FAILED, document_of


def a_test(before: Sequence[float], after: Sequence[float], kind: Kind) -> Estimate:
    """Stands for scipy's, which tests/report holds to published numbers: here its figures only have to be shown."""
    return Estimate(t=2.0, df=4.0, p=0.0123 if kind == Kind.PAIRED else 0.0001, low=-0.01, high=0.25)


def made(**after: object) -> Comparison:
    before = document_of(
        {"rte": [0.60, 0.62, FAILED], "cola": [0.5], "wnli": [0.5, 0.5], "price": [0.9, 1.0], "sst2": [0.9]},
        name="bert",
    )
    runs = {"rte": [0.70, 0.71, 0.75], "cola": [0.6], "wnli": [0.6, 0.6], "price": [0.41, 0.52]}
    return compare(before, document_of(runs, name="tuned", **after), a_test)


def rows(comparison: Comparison) -> dict[str, dict[str, str]]:
    return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in told(comparison).rows}


def test_a_row_has_both_means_the_difference_in_points_and_the_verdict() -> None:
    assert rows(made())["rte"] == {
        "Task": "rte",
        "Metric": "accuracy",
        "Before": "61.00 ± 1.41 (2)",
        "After": "70.50 ± 0.71 (2)",
        "Best": "62.00 → 75.00",
        "Difference [95 % CI]": "+9.50 [-1.00, +25.00]",
        "p (Holm)": "0.012 (0.025)",
        "t test": "paired (2)",
        "Verdict": "better",
    }


def test_the_columns_of_paired_seeds_differ_by_what_is_said() -> None:
    """Worked by hand. Seeds 1 to 5: over all, 56.45 → 55.00 would be -1.45; over the pairs 1 to 4 it is -0.78.

    Pairs: 52.00, 54.00, 56.00, 61.12 (mean 55.78, squares 14.2884 + 3.1684 + 0.0484 + 28.5156 = 46.0208, over 3 its
    root 3.92) and 55.00 four times.
    """
    before = document_of({"rte": [0.52, 0.54, 0.56, 0.6112, 0.5913]}, name="bert")
    after = document_of({"rte": [0.55, 0.55, 0.55, 0.55, FAILED]}, name="tuned")

    text = told(compare(before, after, a_test))
    row = dict(zip(COLUMNS, text.rows[0], strict=True))

    assert (row["Before"], row["After"]) == ("55.78 ± 3.92 (4)", "55.00 ± 0.00 (4)")
    assert row["Difference [95 % CI]"].startswith("-0.78 ")
    assert "rte, before: 4 of 5 runs have a partner of the same seed; over all 56.45 ± 3.71 (5)." in text.notes


def test_without_a_pair_the_columns_are_over_all_runs() -> None:
    text = told(compare(document_of({"rte": [0.5, FAILED]}), document_of({"rte": [FAILED, 0.6]}, name="b"), a_test))
    row = dict(zip(COLUMNS, text.rows[0], strict=True))
    assert (row["Before"], row["After"], row["Difference [95 % CI]"]) == ("50.00 (1)", "60.00 (1)", "–")


def test_metrics_of_which_less_is_better_are_as_measured_and_marked() -> None:
    row = rows(made())["price"]
    assert (row["Metric"], row["Before"], row["Best"]) == ("mse ↓", "0.95 ± 0.07071 (2)", "0.9 → 0.41")
    assert row["Difference [95 % CI]"] == "-0.485 [-0.01, +0.25]"


def test_what_is_not_tested_has_dashes_and_says_why() -> None:
    found = rows(made())
    assert (found["cola"]["Difference [95 % CI]"], found["cola"]["p (Holm)"]) == ("+10.00", "–")
    assert (found["cola"]["Verdict"], found["wnli"]["Verdict"]) == ("too few seeds", "not tested")
    assert "wnli: not tested: there is no spread over seeds, so a t test can say nothing." in told(made()).notes


def test_other_seeds_are_said_to_be_tested_by_welch_and_small_p_is_a_bound() -> None:
    row = rows(made(seed=7))["rte"]
    assert (row["t test"], row["p (Holm)"]) == ("Welch", "<0.001 (<0.001)")


def test_metrics_that_differ_have_no_difference() -> None:
    row = rows(made(training={"rte": {"metric_for_best_model": "loss"}}))["rte"]
    assert (row["Metric"], row["Difference [95 % CI]"], row["t test"]) == ("accuracy/loss ↓", "–", "–")
    assert row["Verdict"] == "not compared"


def test_notes_tell_the_correction_what_is_left_out_and_what_only_one_has() -> None:
    notes = told(made()).notes
    assert any("Holm's correction is over the 2 tested tasks" in note for note in notes)
    assert "rte, before: runs left out: 1 failed." in notes
    assert "rte, after: 2 of 3 runs have a partner of the same seed; over all 72.00 ± 2.65 (3)." in notes
    assert "Only in team/bert: sst2." in notes


def test_the_overall_line_names_its_tasks() -> None:
    assert told(made()).overall.startswith("Overall: mean task score over cola, rte, wnli: 53.67 → 64.00 (+10.33)")
    nothing = compare(document_of({"rte": [FAILED]}), document_of({"rte": [0.5]}), a_test)
    assert told(nothing).overall.startswith("Overall: none;")


def test_csv_has_full_figures_and_the_overall_means_last() -> None:
    *tasks, overall = csv.DictReader(io.StringIO(comparison_csv(made()).decode()))
    assert [row["task"] for row in tasks] == ["cola", "rte", "wnli", "price"]
    assert {(row["before"], row["after"], row["kind"]) for row in tasks} == {("team/bert", "team/tuned", "metric")}
    rte = tasks[1]
    assert (rte["before_n"], rte["before_failed"], rte["pairs"], rte["verdict"]) == ("2", "1", "2", "better")
    assert (float(rte["difference"]), float(rte["p"])) == pytest.approx((0.095, 0.0123))
    assert (overall["kind"], overall["task"]) == ("score", "cola rte wnli")
    assert float(overall["difference"]) == pytest.approx(float(overall["after_mean"]) - float(overall["before_mean"]))


def test_markdown_and_latex_have_a_row_a_task_and_the_notes() -> None:
    comparison = made()
    row = told(comparison).rows[1]
    assert f"| {' | '.join(row)} |" in comparison_markdown(comparison).decode()
    latex = comparison_latex(comparison).decode()
    assert r"rte & accuracy & 61.00 $\pm$ 1.41 (2) & 70.50 $\pm$ 0.71 (2) & 62.00 $\rightarrow$ 75.00 & " in latex
    assert r"\raggedright Only in team/bert: sst2.\par" in latex
    assert "\n% Before: team/bert, model s3://models/tiny" in latex


def test_html_cannot_be_broken_by_names() -> None:
    page = comparison_html(made(model="s3://<b>&")).decode()
    assert "s3://&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert '<td>0.012 (0.025)</td><td class="whose">paired (2)</td><td class="whose">better</td>' in page
