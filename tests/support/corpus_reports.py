"""What the stored results of `tests/corpus` are reported as: every file of the reports, and tables over them."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan
from finetune_core.results.comparison.experiments import compare
from finetune_core.results.comparison.schema import Comparison
from finetune_core.results.comparison.significance import Estimate, Kind
from finetune_core.results.run import RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.comparison_formats import (
    comparison_csv,
    comparison_html,
    comparison_latex,
    comparison_markdown,
)
from finetune_core.tables.results import ResultsTable, Statistic, results_table
from finetune_core.tables.results_formats import table_csv, table_latex, table_markdown
from finetune_core.tables.results_html import table_html
from finetune_core.tasks.registry import SUBMISSION_FILES
from finetune_report.build import build
from finetune_report.search.build import build_search
from finetune_store import DirectoryStore
from support.corpus_plans import CORPUS
from support.report_store import MODEL_FILES, contents
from support.results import prediction_file

EXPERIMENTS = ("all-nine-from-tsv", "custom-tasks", "exclusive-groups", "quarantine", "sparse")
SEARCHES = ("grid", "random-epochs", "tpe")
MAX_KEPT = 64 * 1024
"""Larger files, and predictions, are kept as their SHA-256."""
_DRAWN = ("png", "svg", "html")
"""Plots, and a page that holds them, depend on matplotlib's version."""


class NamedStore(DirectoryStore):
    """A folder whose URIs do not depend on where it lies."""

    def uri(self, key: str = "") -> str:
        return f"s3://results/{key}".rstrip("/")


def report_files() -> Iterator[tuple[str, bytes]]:
    """(path below `tests/corpus`, content) of all reports and of the tables over several."""
    with tempfile.TemporaryDirectory() as folder:
        store = NamedStore(Path(folder))
        fill(store)
        before = contents(store)
        reported = [_report(store, name) for name in EXPERIMENTS]
        for name in SEARCHES:
            build_search(store, "team", name)
        for key, content in contents(store).items():
            if key not in before:
                yield from _kept(f"reports/{key}", content)
    yield from _tables(reported)


def fill(store: DirectoryStore) -> None:
    """The stored documents, and made-up weights and predictions beside them."""
    for line in (CORPUS / "store.jsonl").read_text(encoding="utf-8").splitlines():
        held = json.loads(line)
        store.put(held["key"], held["text"].encode())
        if "/runs/" in held["key"] and held["key"].endswith("result.json"):
            _fill_run(store, held["key"].removesuffix("/result.json"), RunResult.model_validate_json(held["text"]))


def _fill_run(store: DirectoryStore, root: str, result: RunResult) -> None:
    attempt = f"{root}/attempts/{result.attempt}"
    for name in MODEL_FILES:
        store.put(f"{attempt}/model/{name}", b"weights")
    for file in SUBMISSION_FILES:
        if file.name in result.predictions:
            store.put(f"{attempt}/predictions/{file.name}", prediction_file(file, salt=result.run_id[:4]))


def _report(store: DirectoryStore, name: str) -> ResultsDocument:
    plan = Plan.model_validate_json(store.get(ExperimentLayout("team", name).plan))
    failed = [run.run_id for run in plan.runs if store.stat(_result(name, run.task, run.run_id)) is None]
    lost = failed[:-1] if name == "custom-tasks" else failed  # one of its runs is under way
    return build(store, plan, lost, open_data=lambda _uri: None, plots=False)


def _result(name: str, task: str, run_id: str) -> str:
    return ExperimentLayout("team", name).run(task, run_id).result


def _kept(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    search = path.startswith(tuple(f"reports/team/{name}/" for name in SEARCHES))
    if search and path.endswith(_DRAWN):
        return
    if search and path.endswith("summary.json"):
        content = _without_drawn(content)
    if len(content) > MAX_KEPT or "/best/predictions/" in path:
        yield f"{path}.sha256", hashlib.sha256(content).hexdigest().encode() + b"\n"
    else:
        yield path, content


def _without_drawn(summary: bytes) -> bytes:
    """Without what depends on versions of libraries: plots, and the importance that Optuna's forest finds."""
    document = json.loads(summary)
    for task in document["tasks"]:
        task.pop("importance", None)
    document["files"] = {name: digest for name, digest in document["files"].items() if not name.endswith(_DRAWN)}
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


_TABLES: Mapping[str, Callable[[ResultsTable], bytes]] = {
    "csv": table_csv,
    "md": table_markdown,
    "tex": table_latex,
    "html": lambda table: table_html(table, "Results"),
}
_COMPARISONS: Mapping[str, Callable[[Comparison], bytes]] = {
    "csv": comparison_csv,
    "md": comparison_markdown,
    "tex": comparison_latex,
    "html": comparison_html,
}


def _tables(reported: Sequence[ResultsDocument]) -> Iterator[tuple[str, bytes]]:
    for statistic in Statistic:
        table = results_table(reported, statistic)
        for suffix, write in _TABLES.items():
            yield f"tables/{statistic.value.lower()}.{suffix}", write(table)
    for name, after in (("few-tasks", reported[2]), ("sparse", reported[4])):
        comparison = compare(reported[0], after, _fixed_test)
        for suffix, write in _COMPARISONS.items():
            yield f"tables/against-{name}.{suffix}", write(comparison)


def _fixed_test(before: Sequence[float], after: Sequence[float], kind: Kind) -> Estimate:
    """One estimate for all: scipy's last digits depend on its version."""
    return Estimate(t=2.5, df=3.0, p=0.04 / len(before), low=0.001, high=0.02)
