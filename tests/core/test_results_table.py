import csv
import html.parser
import io
import itertools
import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.results import ResultsTable, Statistic, results_table
from finetune_core.tables.results_formats import namespace_markdown, table_csv, table_latex, table_markdown
from finetune_core.tables.results_html import table_html
from finetune_core.tasks.registry import GLUE_TASKS
from support.documents import FAILED, MISSING, document_of

FULL = document_of({task: [0.8, 0.6] for task in GLUE_TASKS}, name="full")
PART = document_of(
    {"price": [0.25, FAILED], "mrpc": [0.9012, 0.8912], "cola": [0.5512, 0.6034, MISSING]},
    name="part",
    metrics={"mrpc": {"accuracy": 0.8634}, "price": {"pearson": 0.9}},
)

Rows = dict[str, dict[str, str]]


def markdown(documents: list[ResultsDocument], statistic: Statistic = Statistic.BEST) -> str:
    return table_markdown(results_table(documents, statistic)).decode()


def rows(text: str) -> Rows:
    """Experiment -> column -> cell."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    header, _, *body = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return {cells[1]: dict(zip(header, cells, strict=True)) for cells in body}


def long(documents: list[ResultsDocument]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table_csv(results_table(documents, Statistic.BEST)).decode())))


def test_columns_are_scores_then_glues_tasks_in_its_order_then_custom_ones_by_name() -> None:
    other = document_of({"spam": [0.5], "rte": [0.5]}, name="other")
    (header, *_) = rows(markdown([PART, other])).values()
    assert list(header) == [
        "Model", "Experiment", "Report", "BERT average", "GLUE score",
        "cola mcc", "mrpc f1/acc", "rte acc", "price mse ↓/pearson", "spam acc/f1",
    ]  # fmt: skip


def test_best_shows_the_best_runs_figures_in_per_cent_with_n() -> None:
    row = rows(markdown([PART]))["team/part"]
    assert row["mrpc f1/acc"] == "90.12/86.34 (2)"
    assert row["cola mcc"] == "60.34 (2)"
    assert row["Report"] == PART.report_digest


def test_mean_shows_the_spread_and_none_of_a_single_run() -> None:
    row = rows(markdown([PART], Statistic.MEAN))["team/part"]
    assert row["mrpc f1/acc"] == "89.62 ± 0.71 / 86.34 ± 0.00 (2)"
    assert row["price mse ↓/pearson"] == "0.25 / 90.00 (1)"


def test_mnli_has_matched_and_mismatched() -> None:
    made = document_of({"mnli": [0.84]}, metrics={"mnli": {"mm_accuracy": 0.845}})
    assert rows(markdown([made]))["team/demo"]["mnli acc/mm acc"] == "84.00/84.50 (1)"


def test_a_score_that_lacks_tasks_is_marked_and_never_beats_a_full_one() -> None:
    text = markdown([FULL, PART, document_of({"wnli": [0.99]}, name="easy")])
    found = rows(text)
    assert found["team/easy"]["GLUE score"] == "99.00\\*"
    assert found["team/easy"]["BERT average"] == "–"
    assert found["team/part"]["GLUE score"] == "74.28\\*"
    assert re.fullmatch(r"\d+\.\d\d", found["team/full"]["GLUE score"])
    assert (
        "\\* team/part: BERT average over 2 of 8 tasks only, GLUE score over 2 of 9 tasks only; "
        "missing: sst2, stsb, qqp, mnli, qnli, rte, wnli." in text
    )


def test_scores_over_different_tasks_are_not_ranked_and_those_over_the_same_are() -> None:
    low, high = (document_of({"rte": [value]}, name=f"rte-{value}") for value in (0.5, 0.6))
    assert rows(markdown([low, high]))["team/rte-0.6"]["GLUE score"] == "**60.00**\\*"
    unlike = document_of({"cola": [0.6]}, name="cola")
    assert "**" not in rows(markdown([low, unlike]))["team/cola"]["GLUE score"]


def test_the_best_of_each_figure_is_bold_and_less_is_better_where_it_is() -> None:
    one = document_of({"price": [0.2]}, name="one", metrics={"price": {"pearson": 0.8}})
    two = document_of({"price": [0.1]}, name="two", metrics={"price": {"pearson": 0.7}})
    found = rows(markdown([one, two]))
    assert found["team/one"]["price mse ↓/pearson"] == "0.2/**80.00** (1)"
    assert found["team/two"]["price mse ↓/pearson"] == "**0.1**/70.00 (1)"


def test_a_metric_that_this_version_does_not_know_goes_by_what_the_document_says() -> None:
    raw = document_of({"price": [0.2]}, name="one").to_json().replace(b'"mse"', b'"perplexity"')
    better = raw.replace(b'"one"', b'"two"').replace(b": 0.2", b": 0.1")
    found = rows(markdown([ResultsDocument.model_validate_json(text) for text in (raw, better)]))
    assert found["team/two"]["price perplexity ↓/pearson"] == "**0.1**/**50.00** (1)"


def test_ties_are_all_bold_and_what_stands_alone_is_not() -> None:
    one, two = (document_of({"rte": [0.7]}, name=name) for name in ("one", "two"))
    alone = document_of({"cola": [0.7]}, name="three")
    found = rows(markdown([one, two, alone]))
    assert found["team/one"]["rte acc"] == found["team/two"]["rte acc"] == "**70.00** (1)"
    assert found["team/three"]["cola mcc"] == "70.00 (1)"
    assert found["team/three"]["rte acc"] == "–"


def test_metrics_that_were_not_measured_show_as_such_with_their_own_n() -> None:
    made = document_of({"mrpc": [0.9, 0.8], "rte": [math.nan]}, metrics={"mrpc": {"accuracy": math.nan}})
    row = rows(markdown([made]))["team/demo"]
    assert row["mrpc f1/acc"] == "90.00/– (2/0)"
    assert row["rte acc"] == "– (0)"
    assert row["GLUE score"] == "–"


def test_a_metric_that_decides_in_one_experiment_only_has_its_own_place() -> None:
    usual = document_of({"rte": [0.7]}, name="usual")
    by_loss = document_of({"rte": [0.25]}, name="loss", training={"rte": {"metric_for_best_model": "loss"}})
    found = rows(markdown([usual, by_loss]))
    assert found["team/usual"]["rte acc/loss ↓"] == "**70.00**/– (1)"
    assert found["team/loss"]["rte acc/loss ↓"] == "50.00/0.25 (1)"


def test_notes_tell_of_runs_without_a_result_and_of_custom_tasks_that_share_only_a_name() -> None:
    other = document_of({"price": [0.3]}, name="other", data_uri="s3://elsewhere")
    text = markdown([PART, other])
    assert "team/part: runs with a result: price 1 of 2 (1 failed), cola 2 of 3." in text
    assert "price: the experiments' data are of different places: s3://data/glue, s3://elsewhere." in text


def test_rows_are_sorted_by_model_then_name_whatever_the_order_given() -> None:
    made = [
        document_of({"rte": [0.5]}, name=name, namespace=namespace, model=model)
        for model, namespace, name in (("s3://b", "a", "a"), ("s3://a", "b", "a"), ("s3://a", "a", "b"))
    ]
    writers = (ResultsTable.to_json, table_csv, table_markdown, table_latex)
    for order in itertools.permutations(made):
        table = results_table(order, Statistic.MEAN)
        assert [row.name for row in table.experiments] == ["a/b", "b/a", "a/a"]
        assert [write(table) for write in writers] == [write(results_table(made, Statistic.MEAN)) for write in writers]


def test_csv_has_both_statistics_in_full_for_every_task_and_metric() -> None:
    found = {(row["task"], row["metric"]): row for row in long([PART])}
    accuracy = found["mrpc", "accuracy"]
    assert (accuracy["kind"], accuracy["n"], accuracy["best"]) == ("metric", "2", "0.8634")
    assert float(found["mrpc", "f1"]["mean"]) == PART.tasks[1].metrics[0].mean
    assert float(found["mrpc", "f1"]["std"]) == PART.tasks[1].metrics[0].std
    score = found["GLUE score", "score"]
    assert (score["kind"], score["n"]) == ("score", "")
    assert score["missing"] == "sst2 stsb qqp mnli qnli rte wnli"
    assert float(score["best"]) == PART.glue.value
    assert {row["experiment"] for row in found.values()} == {"part"}


def test_json_is_versioned_and_survives() -> None:
    table = results_table([FULL, PART], Statistic.MEAN)
    assert json.loads(table.to_json())["schemaVersion"] == 1
    assert ResultsTable.model_validate_json(table.to_json()) == table


def test_latex_escapes_what_it_would_take_for_its_own() -> None:
    text = table_latex(results_table([document_of({"rte": [0.5]}, model="s3://a_b/50%&{x}\n#")], Statistic.MEAN))
    body = [line for line in text.decode().splitlines() if line.startswith("s3:")]
    assert body == [r"s3://a\_b/50\%\&\{x\} \# & team/demo & 50.00* & 50.00* & 50.00 (1) \\"]


def test_latex_has_small_deviations_and_is_no_wider_than_the_page() -> None:
    text = table_latex(results_table([document_of({"rte": [0.5, 0.6]})], Statistic.MEAN)).decode()
    assert r"\textbf" not in text
    assert r"& 55.00{\scriptsize\,$\pm$\,7.07} (2) \\" in text
    assert r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%" in text
    assert r"\end{tabular}}" in text


class _Text(html.parser.HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_needs_nothing_beside_it_and_names_cannot_break_it() -> None:
    made = document_of({"rte": [0.5]}, model="s3://<script>alert(1)</script>")
    page = table_html(results_table([made, PART], Statistic.BEST), "Results <&>").decode()
    read = _Text(page)
    assert not {"script", "link", "img"} & set(read.tags)
    assert "url(" not in page
    assert "s3://<script>alert(1)</script>" in read.text
    assert "90.12/86.34 (2)" in "".join(read.text)


def test_html_has_the_deviations_of_means() -> None:
    page = table_html(results_table([document_of({"rte": [0.5, 0.6]})], Statistic.MEAN), "Results").decode()
    assert "55.00 ± 7.07" in "".join(_Text(page).text)


def test_the_table_of_a_namespace_has_best_runs_and_means() -> None:
    text = namespace_markdown("team", [FULL, PART]).decode()
    best, mean = text.split("## Means over runs")
    assert rows(best) == rows(markdown([FULL, PART]))
    assert rows(mean) == rows(markdown([FULL, PART], Statistic.MEAN))


def test_no_experiments_make_an_empty_table() -> None:
    assert rows(markdown([])) == {}
    assert long([]) == []


# Few distinct values, so that ties are common.
_values = st.sampled_from([0.25, 0.5, 0.5, 0.75, 0.0, math.nan, math.inf, None, FAILED, MISSING])
_runs = st.dictionaries(
    st.sampled_from([*GLUE_TASKS, "spam", "price"]), st.lists(_values, min_size=1, max_size=3), min_size=1
)
_experiments = st.lists(
    st.tuples(_runs, st.sampled_from([0.5, 0.25, None, math.nan]), st.booleans(), st.sampled_from("ab")),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=60)
@given(_experiments)
def test_every_figure_is_that_of_the_pointer_and_bold_ones_are_the_best(experiments) -> None:
    made = [
        document_of(
            runs,
            name=f"e{index}",
            model=f"s3://{model}",
            metrics={
                task: dict.fromkeys(("accuracy", "mm_accuracy", "spearmanr", "f1", "pearson"), other) for task in runs
            },
            training={task: {"metric_for_best_model": "loss"} for task in runs if by_loss},
        )
        for index, (runs, other, by_loss, model) in enumerate(experiments)
    ]
    table = results_table(made, Statistic.BEST)
    found = rows(table_markdown(table).decode())
    for document in made:
        row = found[f"team/{document.experiment}"]
        for column in table.columns():
            (cell,) = (text for title, text in row.items() if title.split()[0] == column.task)
            pointer = next((task.best for task in document.tasks if task.task == column.task), None)
            if cell == "–":
                assert column.task not in {task.task for task in document.tasks}
                continue
            figures = cell.split(" (")[0].replace("**", "").split("/")
            for metric, shown in zip(column.metrics, figures, strict=True):
                value = pointer.metrics.get(metric) if pointer else None
                reported = any(
                    one.metric == metric for task in document.tasks if task.task == column.task for one in task.metrics
                )
                if value is None or not math.isfinite(value) or not reported:
                    assert shown == "–"
                else:
                    less = metric in ("loss", "mse")
                    assert float(shown) == pytest.approx(value if less else 100 * value, abs=0.005)
        for title, score in (("GLUE score", document.glue), ("BERT average", document.bert_average)):
            assert row[title].endswith("\\*") == (score.value is not None and bool(score.missing))
    for column in table.columns():
        for place, metric in enumerate(column.metrics):
            cells = [text for row in found.values() for title, text in row.items() if title.split()[0] == column.task]
            figures = [cell.split(" (")[0].split("/")[place] for cell in cells if cell != "–"]
            numbers = [float(one.strip("*")) for one in figures if one != "–"]
            best = (min if metric in ("loss", "mse") else max)(numbers, default=None)
            bold = [float(one.strip("*")) for one in figures if one.startswith("**")]
            assert bold == ([best] * numbers.count(best) if len(numbers) > 1 else [])
