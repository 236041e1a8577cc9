"""Plots and page of an experiment: what they show, and that they are the same bytes for the same results."""

import base64
import json
import re
from pathlib import Path

import pytest

from finetune_core.planning.plan import Plan, QuarantinedPlannedRun
from finetune_core.results.run import RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_report.build import build
from finetune_report.experiment.curves import read_curves
from finetune_store import DirectoryStore
from support.report_store import contents, fail_run, finish_run, layout_of
from support.results import plan_of

PLAN = plan_of({"rte": 3, "stsb": 1, "wnli": 1})
PNG = b"\x89PNG"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def leave_curve(store: DirectoryStore, plan: Plan, result: RunResult, lines: bytes) -> None:
    store.put(layout_of(plan).run(result.task, result.run_id).metrics(result.attempt), lines)


def evaluations(metric: str, *values: float | None) -> bytes:
    return "".join(json.dumps({"step": 10 * n, metric: value}) + "\n" for n, value in enumerate(values, 1)).encode()


def fill(store: DirectoryStore, plan: Plan = PLAN) -> list[str]:
    """Two runs of RTE, one of STS-B; what is left fails. The failed ids."""
    for number, value in enumerate((0.5, 0.6)):
        result = finish_run(store, plan, "rte", number, value)
        leave_curve(store, plan, result, evaluations("accuracy", 0.4, value, 0.45))
    result = finish_run(store, plan, "stsb", 0, 0.8)
    leave_curve(store, plan, result, evaluations("pearson", None, 0.8))
    return [fail_run(store, plan, "rte", 2, "the <b>data</b> is broken"), fail_run(store, plan, "wnli", 0, "no memory")]


def report(store: DirectoryStore, plan: Plan = PLAN) -> ResultsDocument:
    return build(store, plan, fill(store, plan), open_data=lambda _: None)


def test_every_task_with_a_value_is_plotted_in_both_formats(store: DirectoryStore) -> None:
    document = report(store)
    plots = {name: store.get(f"{layout_of(PLAN).root}/{name}") for name in document.files if name.startswith("plots/")}
    expected = [
        f"plots/{name}.{suffix}" for name in ("all-scores", "rte-runs", "stsb-runs") for suffix in ("png", "svg")
    ]
    assert sorted(plots) == expected
    for name, content in plots.items():
        assert content.startswith(PNG) if name.endswith("png") else b"<svg" in content


def test_the_same_results_are_the_same_bytes(store: DirectoryStore, tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path / "other")
    layout = layout_of(PLAN)
    here, there = report(store), report(other)
    assert contents(store, layout.plots) == contents(other, layout.plots)
    page = other.get(layout.report).decode().replace(there.uri, here.uri)
    assert store.get(layout.report).decode() == page


def test_a_report_removes_plots_of_tasks_that_are_gone(store: DirectoryStore) -> None:
    report(store)
    fewer = plan_of({"rte": 3})
    build(store, fewer, [], open_data=lambda _: None)
    found = contents(store, layout_of(PLAN).plots)
    assert sorted(key.rpartition("/")[2] for key in found if key.endswith("svg")) == ["all-scores.svg", "rte-runs.svg"]


def test_the_page_needs_nothing_beside_it_and_escapes_what_it_shows(store: DirectoryStore) -> None:
    report(store)
    page = store.get(layout_of(PLAN).report).decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) == 3
    for source in sources:
        kind, _, content = source.partition("base64,")
        assert kind == "data:image/svg+xml;"
        assert b"<svg" in base64.b64decode(content)
    assert "the &lt;b&gt;data&lt;/b&gt; is broken" in page
    assert "<b>data" not in page
    assert 'name="viewport"' in page


def test_the_page_tells_of_tasks_without_a_value_and_of_quarantined_runs(store: DirectoryStore) -> None:
    run = PLAN.runs_of("rte")[0]
    wrong = {**run.model_dump(), "run_id": "0123456789abcdef", "reason": "wrong <data>"}
    quarantined = QuarantinedPlannedRun.model_validate(wrong)
    report(store, PLAN.model_copy(update={"quarantined": (quarantined,)}))
    page = store.get(layout_of(PLAN).report).decode()
    assert "There is no plot: no run has a value." in page
    assert "no memory" in page
    assert "wrong &lt;data&gt;" in page
    assert "0123456789abcdef" in page


def test_curves_have_the_finite_values_by_step(store: DirectoryStore) -> None:
    curves = read_curves(store, report(store))
    assert [curve.points for curve in curves["rte"]] == [
        ((10, 0.4), (20, 0.5), (30, 0.45)),
        ((10, 0.4), (20, 0.6), (30, 0.45)),
    ]
    assert [curve.points for curve in curves["stsb"]] == [((20, 0.8),)]
    assert curves["wnli"] == ()


@pytest.mark.parametrize(
    "lines", [b'{"step": 1, "accur', b"\xff", b'{"accuracy": 0.5}\n', b'{"step": 1, "accuracy": "x"}\n']
)
def test_a_curve_that_cannot_be_read_is_left_out_and_told(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture, lines: bytes
) -> None:
    document = report(store)
    result = finish_run(store, PLAN, "rte", 0, 0.5)
    leave_curve(store, PLAN, result, lines)
    curves = read_curves(store, document)
    assert [len(curve.points) for curve in curves["rte"]] == [0, 3]
    assert "the run has no learning curve" in caplog.text


def test_a_run_without_a_curve_still_counts(store: DirectoryStore) -> None:
    finish_run(store, PLAN, "rte", 0, 0.5)
    document = build(store, PLAN, [], open_data=lambda _: None)
    assert "plots/rte-runs.svg" in document.files


def test_the_page_tells_the_settings_and_digests_that_the_results_stand_on(store: DirectoryStore) -> None:
    plan = plan_of({"rte": 3, "stsb": 1, "wnli": 1}, training={"rte": {"maxSteps": 120, "learningRate": 3e-5}})
    document = report(store, plan)
    page = store.get(layout_of(plan).report).decode()
    assert "maxSteps 120" in page
    assert "learningRate 3e-05" in page
    assert "None" not in page
    for digest in (document.model_digest, document.plan_digest, document.tasks[0].data_digest):
        assert digest is not None
        assert digest in page


def test_a_plot_says_how_many_of_the_curves_are_drawn(store: DirectoryStore) -> None:
    failed = fill(store)
    result = finish_run(store, PLAN, "rte", 0, 0.5)
    leave_curve(store, PLAN, result, b"torn")
    build(store, PLAN, failed, open_data=lambda _: None)
    plots = contents(store, layout_of(PLAN).plots)
    told = b"learning curves (1 of 2: the others' evaluations cannot be read)"
    assert {name.rpartition("/")[2] for name, svg in plots.items() if told in svg} == {"rte-runs.svg"}
