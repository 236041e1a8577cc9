"""A model's folder for somewhere else: weights, tokenizer, card, provenance, and its signature."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from finetune_client.downloading import single
from finetune_client.errors import NotFoundError, RefusedError, UsageError
from finetune_client.reports import layout_of, plan_of, planned_run, whole_report
from finetune_client.stores import Results
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.publishing.card import card
from finetune_core.publishing.facts import Facts, facts_of
from finetune_core.publishing.provenance import CARD, PREDICTIONS, PROVENANCE, SIGNATURE, UNNAMED, statement_of
from finetune_core.results.run import RunResult
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.stored import read_json
from finetune_publish.signing import Signs
from finetune_publish.sums import sums
from finetune_store import DirectoryStore, UnreadableError, download_tree
from finetune_store.documents import find
from finetune_store.folders import weights_digest

_SUFFIXES = frozenset({".json", ".safetensors", ".txt", ".model", ".jinja", ".codes", ".vocab", ".md"})
"""Of what trainers write: weights and tokenizers. No pickles and no code, which whoever opens the model would run."""

_ADAPTER_CONFIG = "adapter_config.json"
_BASE = "base_model_name_or_path"


@dataclass(frozen=True)
class Chosen:
    """A run whose model is published."""

    plan: Plan
    run: PlannedRun
    result: RunResult
    row: TaskRow

    def facts(self, licence: str) -> Facts:
        """All that its card, its manifest and its provenance are made from."""
        own = version("finetune-operator")
        return facts_of(self.plan, self.run, self.result, self.row, licence=licence, version=own)


def choose(place: Results, tasks: Iterable[str], runs: Iterable[str]) -> list[Chosen]:
    """The best runs of tasks (none named: of all), or the runs named by id or TASK/RUN. ClientError."""
    document, plan = whole_report(place), plan_of(place)
    named = [planned_run(plan, text) for text in runs]
    return [_chosen(place, document, plan, run) for run in named or _best(document, plan, list(tasks))]


def _best(document: ResultsDocument, plan: Plan, tasks: list[str]) -> Iterator[PlannedRun]:
    pointers = {row.task: row.best for row in document.tasks if row.best is not None}
    if unknown := set(tasks) - pointers.keys():
        raise UsageError(f"no best run of {', '.join(sorted(unknown))}", f"There is one of {', '.join(pointers)}.")
    if not pointers:
        raise NotFoundError(f"no run of {document.experiment} has succeeded", "There is nothing to publish.")
    for pointer in (pointers[task] for task in tasks or pointers):
        yield planned_run(plan, pointer.run_id)


def _chosen(place: Results, document: ResultsDocument, plan: Plan, run: PlannedRun) -> Chosen:
    key = layout_of(place).run(run.task, run.run_id).result
    try:
        result = find(place.store, key, RunResult)
    except UnreadableError as error:
        raise RefusedError(error.problem, f"{error.remedy.capitalize()}.") from error
    if result is None or not run.wrote(result):
        raise NotFoundError(f"{run.task}/{run.run} ({run.run_id}) has no result", "finetune results shows the runs.")
    return Chosen(plan, run, result, next(row for row in document.tasks if row.task == run.task))


def pack(
    place: Results,
    chosen: Chosen,
    folder: Path,
    *,
    licence: str,
    load_from: str,
    predictions: bool,
    signs: Signs | None,
) -> Facts:
    """Write a run's model into a new folder, and give its facts. RefusedError where it is not what the run wrote."""
    facts = chosen.facts(licence)
    _fetch_model(place, chosen, folder)
    for config in folder.rglob(_ADAPTER_CONFIG):
        _leave_paths_here(config)
    if predictions:
        _fetch_predictions(place, chosen, folder)
    (folder / CARD).write_text(card(facts, load_from), encoding="utf-8")
    statement = statement_of(facts, sums(folder)).to_json()
    (folder / PROVENANCE).write_bytes(statement)
    if signs is not None:
        (folder / SIGNATURE).write_text(signs.statement(statement), encoding="utf-8")
    return facts


def _fetch_model(place: Results, chosen: Chosen, folder: Path) -> None:
    layout = layout_of(place).run(chosen.run.task, chosen.run.run_id)
    key, digest = layout.model(chosen.result.attempt), chosen.result.weights_digest
    if not digest or next(iter(place.store.list(key)), None) is None:
        raise NotFoundError(
            f"{_said(chosen)}: no weights are kept of this run", "spec.retention.models says of which runs they are."
        )
    there = weights_digest(place.store, key)
    download_tree(place.store, key, folder)
    _require_a_models(sums(folder), chosen)
    # Where a store's own sums are no MD5s (parts, KMS keys), it says itself that nothing has changed since.
    if digest not in {weights_digest(DirectoryStore(folder), ""), there} or there != weights_digest(place.store, key):
        raise RefusedError(
            f"{_said(chosen)}: what lies at {place.store.uri(key)} is not what the run wrote ({digest})",
            "Somebody changed it, or it was copied from another store: finetune quarantine has the run done again.",
        )


def _leave_paths_here(config: Path) -> None:
    """PEFT writes where the base model lay, here and into a card with gaps; RefusedError for what PEFT never wrote."""
    (config.parent / CARD).unlink(missing_ok=True)
    try:
        told = read_json(config.read_bytes())
        base = told[_BASE]
    except (ValueError, TypeError, KeyError) as error:
        raise RefusedError(f"{config.name} is not what PEFT writes", "It is not published.") from error
    if isinstance(base, str) and base.startswith("/"):
        config.write_text(json.dumps({**told, _BASE: Path(base).name}, indent=2) + "\n", encoding="utf-8")


def _require_a_models(paths: Iterable[str], chosen: Chosen) -> None:
    for path in paths:
        hidden = any(part.startswith(".") for part in path.split("/"))
        if hidden or path in UNNAMED or path.startswith(f"{PREDICTIONS}/") or Path(path).suffix not in _SUFFIXES:
            raise RefusedError(
                f"{_said(chosen)}: {path} in its model's folder is nothing that a trainer writes",
                "It is not published. Find out who put it there, and remove it.",
            )


def _fetch_predictions(place: Results, chosen: Chosen, folder: Path) -> None:
    layout = layout_of(place).run(chosen.run.task, chosen.run.run_id)
    for name in chosen.result.predictions:
        one = single(place.store, layout.predictions(chosen.result.attempt, name), f"{PREDICTIONS}/{name}")
        place.store.download(one.key, folder / one.path)
        if sums(folder)[one.path] != chosen.result.predictions[name].sha256:
            raise RefusedError(
                f"{_said(chosen)}: {name} is not what the run wrote", "Somebody changed it in the store."
            )


def _said(chosen: Chosen) -> str:
    return f"{chosen.run.task}/{chosen.run.run}"
