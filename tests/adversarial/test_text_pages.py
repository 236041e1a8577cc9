"""Hostile objects and texts on the page, in plots and in what it serves: shown or left out, never followed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure

from finetune_client.overview import Mood, Overview
from finetune_core.layout import ExperimentLayout
from finetune_core.problems import FinetuneError
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_core.tables import figures
from finetune_kube.kinds import EXPERIMENT
from finetune_report import canvas
from finetune_store import DirectoryStore, StoreError
from finetune_ui.content import Content, Opened, read_content
from finetune_ui.kinds import path_of
from finetune_ui.pages import chart_data, render
from finetune_ui.views import _RUN_MOODS
from support.filled_store import running_experiment, running_search
from support.hostile_text import HOSTILE_VALUES, HTML, JSON_BOMBS, MATHTEXT
from support.report_store import layout_of

DEMO = ExperimentLayout("team", "demo")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


_TURNS = 4
"""Of the hostile values, neighbouring fields take others in turn: all of them with all fields take minutes."""


def turn(place: int, number: int) -> Any:
    return HOSTILE_VALUES[(place * _TURNS + number) % len(HOSTILE_VALUES)]


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def page_of(store: DirectoryStore, word: str, name: str) -> str | None:
    """The page; None where the store's objects end in a named error, as the server then shows."""
    try:
        content = read_content(Opened.of(store), word, "team", name, NOW)
    except (FinetuneError, StoreError):
        return None
    return rendered(word, content)


def rendered(word: str, content: Content) -> str:
    return render(
        f"{word}.html", title="", version="", sign_out=False, head=content.head, age="", page=content.page, problem="",
        files=sorted(content.files), first=(), moods=_RUN_MOODS,
    )  # fmt: skip


class _Page(HTMLParser):
    """Scripts, event handlers and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "script" and not str(values.get("src", "")).startswith("/static/") and "type" not in values:
            self.found.append("script")
        self.found += [name for name in values if name.startswith("on")]
        self.found += [
            value for name in ("href", "src") if not (value := values.get(name) or "/").startswith(("/", "data:"))
        ]


def is_harmless(page: str) -> bool:
    return _Page(page).found == []


def change(store: DirectoryStore, key: str, edit: Callable[[Any], object]) -> None:
    document = json.loads(store.get(key))
    edit(document)
    store.put(key, json.dumps(document).encode())


def fields_of(document: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, as (container, key)."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [place for key, value in list(items) for place in ((document, key), *fields_of(value))]


@pytest.mark.parametrize("number", range(_TURNS))
@pytest.mark.parametrize("kind", ["result", "progress", "metrics", "failure"])
def test_no_value_of_a_field_keeps_an_experiment_from_its_page(store: DirectoryStore, kind: str, number: int) -> None:
    plan = running_experiment(store)
    runs = {task: [layout_of(plan).run(task, run.run_id) for run in plan.runs_of(task)] for task in ("rte", "cola")}
    key = {
        "result": runs["rte"][0].result, "progress": runs["cola"][0].progress,
        "metrics": runs["rte"][1].metrics("attempt-1"), "failure": runs["rte"][2].failure("a"),
    }[kind]  # fmt: skip
    lines = store.get(key).decode().splitlines() if kind == "metrics" else [store.get(key).decode()]
    for place in range(len(fields_of(json.loads(lines[0])))):
        document = json.loads(lines[0])
        container, name = fields_of(document)[place]
        container[name] = value = turn(place, number)
        store.put(key, "\n".join([json.dumps(document), *lines[1:]]).encode())
        page = page_of(store, "experiments", "demo")
        assert page is not None, f"{name} is {value!r}"
        assert is_harmless(page)


@pytest.mark.parametrize("number", range(_TURNS))
def test_no_value_of_a_trials_field_ends_its_page_in_a_traceback(store: DirectoryStore, number: int) -> None:
    plan = running_search(store)
    (task, *_) = plan.order
    key = SearchLayout("team", plan.search).trial(TrialKind.TRIALS, task, 0).result
    original = store.get(key)
    for place in range(len(fields_of(json.loads(original)))):
        document = json.loads(original)
        container, name = fields_of(document)[place]
        container[name] = turn(place, number)
        store.put(key, json.dumps(document).encode())
        page = page_of(store, "searches", plan.search)
        assert page is None or is_harmless(page)


@pytest.mark.parametrize("content", JSON_BOMBS.values(), ids=JSON_BOMBS)
@pytest.mark.parametrize("name", ["plan.json", "results.json"])
def test_no_content_ends_the_page_in_a_traceback(store: DirectoryStore, content: bytes, name: str) -> None:
    running_experiment(store)
    store.put(f"team/demo/{name}", content)
    page_of(store, "experiments", "demo")


@pytest.mark.parametrize("text", HTML)
def test_a_text_of_the_store_is_no_part_of_the_page(store: DirectoryStore, text: str) -> None:
    plan = running_experiment(store)
    failed = layout_of(plan).run("rte", plan.runs_of("rte")[2].run_id).failure("a")
    change(store, failed, lambda document: document.update(message=text))
    change(store, DEMO.plan, lambda document: document["model"].update(uri=text))
    page = page_of(store, "experiments", "demo")
    assert page is not None
    assert is_harmless(page)


@pytest.mark.parametrize("text", [*HTML, "a?b", "a#b", "javascript:alert(1)"])
def test_addresses_stay_on_the_page(text: str) -> None:
    assert is_harmless(f'<a href="{path_of(Overview(EXPERIMENT, text, text, "", Mood.GOOD))}">')
    assert path_of(Overview(EXPERIMENT, text, "x", "", Mood.GOOD)).count("/") == 3


@pytest.mark.parametrize("text", HTML)
def test_a_hyperparameter_that_is_a_text_is_shown_as_it_is_by_plotly(store: DirectoryStore, text: str) -> None:
    plan = running_search(store)
    (task, *_) = plan.order
    (name, *_) = plan.tasks[task].space
    change(
        store,
        SearchLayout("team", plan.search).trial(TrialKind.TRIALS, task, 0).result,
        lambda document: document["config"].update({name: text}),
    )
    content = read_content(Opened.of(store), "searches", "team", plan.search, NOW)
    drawn = json.dumps([chart.figure() for chart in content.page.charts])
    assert "<" not in drawn.replace("<extra>", "").replace("</extra>", "")
    assert "<" not in chart_data(content.page.charts)


@pytest.mark.parametrize("text", [*MATHTEXT, HTML[1]])
def test_plots_draw_texts_as_they_are(text: str) -> None:
    text = figures.setting(text)  # the only way by which free text comes into a plot
    with canvas.style():
        figure = Figure(figsize=(2, 2))
        axes = figure.subplots()
        axes.plot([1, 2], [1e-5, 1e-2], label=f"x{text}")
        axes.set_yscale("log")
        axes.set_xlabel(text)
        axes.set_xticks([1, 2], [text, text])
        figure.suptitle(text)
        canvas.legend_below(figure, axes)
        picture = canvas.picture("name", "task", text, figure)
    ET.fromstring(picture.svg)
    # matplotlib's own labels of the logarithmic axis are still powers.
    assert b"mathdefault" not in picture.svg.replace(b"<!-- $\\mathdefault", b"")
