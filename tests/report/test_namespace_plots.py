"""Plots and page over the experiments of a namespace: what they show, and that they are the same bytes each time."""

import base64
import re
from pathlib import Path
from typing import Any

from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_report.namespace_page import namespace_html
from finetune_report.namespace_plots import plot_namespace
from finetune_report.namespace_results import update_results_table
from finetune_store import DirectoryStore
from support.documents import FAILED, document_of
from support.report_store import RecordingStore

PNG = b"\x89PNG"


def experiment(name: str, *values: float | str, sparsity: float | None = 0.0, **fields: Any) -> ResultsDocument:
    document = document_of({"rte": list(values), "wnli": [0.5]}, name=name, **fields)
    return document.model_copy(update={"sparsity": sparsity})


def leave(store: DirectoryStore, *documents: ResultsDocument) -> None:
    for one in documents:
        store.put(ExperimentLayout(one.namespace, one.experiment).results("json"), one.to_json())


def texts(svg: bytes) -> list[str]:
    """matplotlib leaves each drawn text as a comment beside its glyphs."""
    return re.findall(r"<!-- (.*?) -->", svg.decode())


def test_both_plots_and_the_page_lie_beside_the_tables(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    leave(store, experiment("dense", 0.7), experiment("sparse", 0.6, sparsity=0.8))
    update_results_table(store, "team")
    for name in ("comparison", "sparsity"):
        assert store.get(f"team/finetuning_results_{name}.png").startswith(PNG)
        assert b"<svg" in store.get(f"team/finetuning_results_{name}.svg")
    page = store.get("team/finetuning_results.html").decode()
    assert "team/sparse" in page
    assert "70.00" in page


def test_without_plots_the_tables_alone_are_written(tmp_path: Path) -> None:
    leave(DirectoryStore(tmp_path), experiment("dense", 0.7))
    store = RecordingStore(tmp_path)
    update_results_table(store, "team", plots=False)
    assert store.writes == [("put", "team/finetuning_results.csv"), ("put", "team/finetuning_results.md")]


def test_the_same_experiments_in_any_order_are_the_same_bytes() -> None:
    documents = [experiment("a", 0.7, 0.8), experiment("b", 0.6, sparsity=0.5), experiment("c", 0.5, sparsity=None)]
    there, back = plot_namespace("team", documents), plot_namespace("team", documents[::-1])
    assert there == back
    assert namespace_html("team", documents, there) == namespace_html("team", documents[::-1], back)


def test_the_comparison_names_each_experiment_with_its_score_and_marks_incomplete_ones() -> None:
    full = document_of({task: [0.5] for task in GLUE_TASKS}, name="full")
    [comparison] = plot_namespace("team", [full, experiment("half", 0.7)])
    assert "full (50.00)" in texts(comparison.svg)
    assert "half (60.00*)" in texts(comparison.svg)


def test_more_experiments_than_colours_show_the_best_of_them_and_say_so() -> None:
    made = [experiment(f"e{n:02}", 0.5 + n / 100, sparsity=n / 20) for n in range(11)]
    comparison, sparsity = plot_namespace("team", made)
    assert "(the best 8 of 11 by GLUE score)" in comparison.title
    shown = {text.split()[0] for text in texts(comparison.svg) if text.startswith("e") and text[1:3].isdigit()}
    assert shown == {f"e{n:02}" for n in range(3, 11)}
    assert {f"e{n:02}" for n in range(11)} <= set(texts(sparsity.svg))


def test_score_against_sparsity_leaves_out_what_has_no_known_sparsity() -> None:
    _, sparsity = plot_namespace(
        "team", [experiment("known", 0.7, sparsity=0.8), experiment("old", 0.7, sparsity=None)]
    )
    assert "known" in texts(sparsity.svg)
    assert "old" not in texts(sparsity.svg)


def test_a_mean_over_other_tasks_is_told_apart() -> None:
    full = document_of({task: [0.5] for task in GLUE_TASKS}, name="full").model_copy(update={"sparsity": 0.0})
    _, apart = plot_namespace("team", [full, experiment("half", 0.9, sparsity=0.5)])
    _, alike = plot_namespace("team", [experiment("one", 0.9), experiment("half", 0.9, sparsity=0.5)])
    told = "best runs, over other tasks: not to be compared"
    assert told in texts(apart.svg)
    assert told not in texts(alike.svg)


def test_plots_without_any_score_say_so() -> None:
    nothing = document_of({"rte": [FAILED]}, name="nothing")
    sparse = nothing.model_copy(update={"sparsity": 0.8})
    comparison, sparsity = plot_namespace("team", [nothing, sparse])
    assert "No experiment has a score yet." in texts(comparison.svg)
    assert "No experiment has a score and a known sparsity yet." in texts(sparsity.svg)


def test_dense_models_are_not_drawn_against_sparsity_and_an_old_plot_of_it_goes(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    sparse = experiment("sparse", 0.6, sparsity=0.8)
    leave(store, experiment("dense", 0.7), sparse)
    update_results_table(store, "team")
    assert store.stat("team/finetuning_results_sparsity.png")
    store.delete(ExperimentLayout("team", "sparse").results("json"))
    update_results_table(store, "team")
    assert store.stat("team/finetuning_results_comparison.png")
    for suffix in ("png", "svg"):
        assert store.stat(f"team/finetuning_results_sparsity.{suffix}") is None
    assert store.get("team/finetuning_results.html").decode().count("<figure>") == 1


def test_the_page_needs_nothing_beside_it_and_escapes_what_it_shows() -> None:
    documents = [experiment("a", 0.7, model="s3://models/<b>tiny</b>"), experiment("b", 0.6, sparsity=0.5)]
    page = namespace_html("team", documents, plot_namespace("team", documents)).decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) == 2
    for source in sources:
        kind, _, content = source.partition("base64,")
        assert kind == "data:image/svg+xml;"
        assert b"<svg" in base64.b64decode(content)
    assert "s3://models/&lt;b&gt;tiny&lt;/b&gt;" in page
    assert "<b>tiny" not in page
