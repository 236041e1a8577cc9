"""The page on notebooks does what it says: its Python runs, in the order of the page."""

import json
import re
from pathlib import Path

import matplotlib as mpl
import pytest

from finetune_report.build import build
from finetune_store import DirectoryStore
from support.report_store import finish_run, layout_of
from support.results import plan_of
from support.search_trials import leave, mixed_trials, search_plan

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "notebooks.md"
VALUES = {"untuned": (0.60, 0.61, 0.62), "tuned": (0.70, 0.72, 0.71)}


def no_data(uri: str) -> None:
    raise AssertionError(f"nothing of the training data is needed, {uri} was asked for")


@pytest.fixture
def in_a_store_with_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path / "finetune-results")
    for name, values in VALUES.items():
        plan = plan_of({"rte": len(values)}).model_copy(update={"experiment": name})
        store.put(layout_of(plan).plan, plan.to_bytes())
        for run, value in enumerate(values):
            result = finish_run(store, plan, "rte", run, value)
            lines = [{"step": step, "accuracy": value - 0.1 / step} for step in (10, 20, 30)]
            content = "".join(json.dumps(line) + "\n" for line in lines).encode()
            store.put(layout_of(plan).run("rte", result.run_id).metrics(result.attempt), content)
        build(store, plan, (), open_data=no_data, plots=False)
    searched = search_plan()
    leave(store, searched, mixed_trials(searched, 4))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_a_store_with_results")
def test_the_pages_python_runs() -> None:
    mpl.use("Agg")
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    assert set(names["results"].experiment) == {"untuned", "tuned"}  # type: ignore[attr-defined]
    assert list(names["verdicts"].verdict)[0] == "better"  # type: ignore[call-overload,attr-defined]  # noqa: RUF015
    assert names["axes"].get_legend_handles_labels()[1] == ["run 0", "run 1", "run 2", "mean"]  # type: ignore[attr-defined]
