"""Plans, run ids, trials, results and zips are, to the byte, what earlier versions made of the same input.

People's stores and clusters hold them: where a byte of a plan changes, finished work is done again.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from support.corpus import written
from support.corpus_plans import CORPUS, plan_files
from support.corpus_reports import NamedStore, fill, report_files
from support.report_store import contents

PLANS = ("plans/", "searches/")


def assert_same(made: Iterable[tuple[str, bytes]], kept: dict[str, bytes]) -> None:
    """File by file, so that a difference is shown with its name and text."""
    found = dict(made)
    assert found.keys() == kept.keys()
    for path, content in found.items():
        assert (path, content.decode().splitlines()) == (path, kept[path].decode().splitlines())
        assert content == kept[path]


def test_plans_run_ids_seeds_and_trials_are_those_of_earlier_versions() -> None:
    assert_same(plan_files(), {path: data for path, data in written().items() if path.startswith(PLANS)})


def test_reports_tables_and_zips_are_those_of_earlier_versions() -> None:
    assert_same(report_files(), {path: data for path, data in written().items() if not path.startswith(PLANS)})


def test_plans_of_earlier_versions_are_read_and_written_as_they_are() -> None:
    plans = [path for path in CORPUS.glob("plans/*.json") if not path.name.endswith(".facts.json")]
    searches = [path for path in CORPUS.glob("searches/*.json") if not path.name.endswith(".facts.json")]
    assert plans
    assert searches
    for path in plans:
        assert Plan.model_validate_json(path.read_bytes()).to_bytes() + b"\n" == path.read_bytes(), path.name
    for path in searches:
        assert SearchPlan.model_validate_json(path.read_bytes()).to_bytes() + b"\n" == path.read_bytes(), path.name


def test_the_stored_results_are_of_the_stored_plans() -> None:
    """Else the reports say nothing about them."""
    with tempfile.TemporaryDirectory() as folder:
        store = NamedStore(Path(folder))
        fill(store)
        kept = contents(store)
    named = {key.split("/")[1] for key in kept if key.endswith("/plan.json")}
    assert named
    for name in named:
        assert kept[f"team/{name}/plan.json"] + b"\n" == (CORPUS / f"plans/{name}.json").read_bytes()
