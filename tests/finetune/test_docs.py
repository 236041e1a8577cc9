"""The page on notebooks does what it says: its Python runs, in the order of the page."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

from finetune_store import DirectoryStore
from support.filled_store import finished_experiment
from support.search_trials import leave, mixed_trials, search_plan

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "notebooks.md"
VALUES = {"untuned": (0.60, 0.61, 0.62), "tuned": (0.70, 0.72, 0.71)}


@pytest.fixture
def in_a_store_with_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path / "finetune-results")
    for name, values in VALUES.items():
        finished_experiment(store, name, *values)
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
