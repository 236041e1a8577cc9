"""The best hyperparameters over all searches of a namespace, as tables."""

from collections.abc import Iterable, Iterator

from finetune_core.results.search.export import BestConfig, BestHyperparameters
from finetune_core.tables import figures
from finetune_core.tables.markdown import markdown_table, markdown_text
from finetune_core.tables.trials import to_csv

_COLUMNS = (
    "model", "modelDigest", "task", "search", "proxy", "metric", "value", "seeds", "finalist",
    "trial", "trialId", "digest", "reportDigest",
)  # fmt: skip


def namespace_csv(exports: Iterable[BestHyperparameters]) -> bytes:
    """One row a model, task and search, sorted by these; a column for every hyperparameter."""
    rows = _sorted(exports)
    names = sorted({name for _, _, best in rows for name in best.hyperparameters})
    cells = ([*_cells(*row), *(row[2].hyperparameters.get(name) for name in names)] for row in rows)
    return to_csv((*_COLUMNS, *names), cells)


def namespace_markdown(namespace: str, exports: Iterable[BestHyperparameters]) -> bytes:
    """The same for people."""
    header = ("Model", "Task", "Search", "Metric", "Value", "Seeds", "Trial", "Hyperparameters")
    rows = list(_sorted(exports))
    title = f"# Best hyperparameters of the searches in {markdown_text(namespace)}"
    return f"{title}\n\n{markdown_table(header, _lines(rows))}\n".encode()


_Row = tuple[BestHyperparameters, str, BestConfig]


def _sorted(exports: Iterable[BestHyperparameters]) -> list[_Row]:
    rows = [(export, task, best) for export in exports for task, best in export.tasks.items()]
    return sorted(rows, key=lambda row: (row[0].model_uri, row[0].model_digest, row[1], row[0].search))


def _cells(export: BestHyperparameters, task: str, best: BestConfig) -> list[object]:
    return [
        export.model_uri, export.model_digest, task, export.search, best.proxy, best.metric, best.value, best.seeds,
        best.finalist, best.trial, best.trial_id, best.digest, export.report_digest,
    ]  # fmt: skip


def _lines(rows: Iterable[_Row]) -> Iterator[tuple[str, ...]]:
    for export, task, best in rows:
        value = figures.metric(best.metric, best.value) if best.proxy is None else figures.NOTHING
        seeds = f"{best.seeds} fresh" if best.finalist else str(best.seeds)
        shown = figures.settings(best.hyperparameters)
        name = task if best.proxy is None else f"{task} (as {best.proxy})"
        yield (export.model_uri, name, export.search, best.metric, value, seeds, str(best.trial), shown)
