"""What is equal between a published model and what is said of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from finetune_core.publishing.card import figures_table, told_figures
from finetune_core.publishing.facts import Facts
from finetune_core.publishing.provenance import PREDICTIONS, UNNAMED, Statement, statement_of
from finetune_core.results.run import PredictionFile, RunResult
from finetune_core.tables import figures

_ADDED = frozenset({".gitattributes", "registered_model_meta"})
"""By the hub to every repository, by MLflow to what it fetches."""
_SPREADS = 2.0
"""Standard deviations over seeds within which one and the same run may end on other hardware."""


class Verdict(StrEnum):
    """Of one comparison."""

    EQUAL = "equal"
    DIFFERS = "differs"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Finding:
    """What was compared, what came of it, and the facts."""

    what: str
    verdict: Verdict
    facts: str


def check_files(statement: Statement, found: Mapping[str, str]) -> Iterator[Finding]:
    """Files as they are (path -> SHA-256), against those of the statement; each that differs, else all at once."""
    named = statement.sums
    differing = list(_differing_files(named, found))
    yield from differing
    if not differing:
        yield Finding("files", Verdict.EQUAL, f"all {len(named)} have the SHA-256 of the provenance")


def _differing_files(named: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted(named.keys() - found.keys()):
        yield Finding(name, Verdict.DIFFERS, "it is missing")
    for name in sorted(found.keys() - named.keys() - UNNAMED - _ADDED):
        yield Finding(name, Verdict.DIFFERS, "the provenance does not name it")
    for name in sorted(found.keys() & named.keys()):
        if found[name] != named[name]:
            yield Finding(name, Verdict.DIFFERS, f"its SHA-256 is {found[name]}, that of the provenance {named[name]}")


def check_statement(statement: Statement) -> Finding:
    """Whether all parts of the provenance say the same of one run."""
    facts, what = statement.facts, "provenance"
    if statement != statement_of(facts, statement.sums):
        return Finding(what, Verdict.DIFFERS, "its parts contradict each other: somebody changed one of them")
    if not facts.follows:
        return Finding(what, Verdict.DIFFERS, f"run {facts.run.run_id} is not of this model, data, settings and seed")
    return Finding(what, Verdict.EQUAL, f"run {facts.run.run_id} follows from model, data, settings and seed")


def check_card(facts: Facts, text: str) -> Finding:
    """Whether a card tells the run's figures, in its metadata and in its table."""
    what = "card's figures"
    try:
        told = told_figures(text)
    except ValueError as error:
        return Finding(what, Verdict.DIFFERS, str(error))
    own = {row.metric: facts.result.metrics.get(row.metric) for row in facts.metrics}
    if told != {name: value for name, value in own.items() if value is not None}:
        return Finding(what, Verdict.DIFFERS, "its model-index tells other values than the provenance")
    if figures_table(facts) not in text:
        return Finding(what, Verdict.DIFFERS, "its table tells other figures than the provenance")
    return Finding(what, Verdict.EQUAL, f"those of the run: {', '.join(told)}")


def check_predictions(facts: Facts, found: Mapping[str, str]) -> Iterator[Finding]:
    """Predicted test sets that lie beside the model, against those that the run wrote."""
    for name, file in facts.result.predictions.items():
        path = f"{PREDICTIONS}/{name}"
        if path in found:
            equal = found[path] == file.sha256
            said = "are those that the run wrote" if equal else "are not those that the run wrote"
            yield Finding(path, Verdict.EQUAL if equal else Verdict.DIFFERS, f"the predictions {said}")


def check_rerun(facts: Facts, again: RunResult) -> Iterator[Finding]:
    """A run that was done again against the published one."""
    published, alike = facts.result, _same_machine(facts.result, again)
    where = "the same hardware and versions" if alike else "other hardware or versions"
    for name, file in _predicted(published).items():
        yield _predictions_again(name, file, _predicted(again).get(name), where, alike=alike)
    for row in facts.metrics:
        before, now = published.metrics.get(row.metric), again.metrics.get(row.metric)
        yield _metric_again(row.metric, before, now, row.std, row.n, alike=alike)


def _predicted(result: RunResult) -> dict[str, PredictionFile]:
    tests = {f"{PREDICTIONS}/{name}": file for name, file in result.predictions.items()}
    return {**tests, **{f"dev/{name}": file for name, file in result.dev_predictions.items()}}


def _predictions_again(
    name: str, before: PredictionFile, now: PredictionFile | None, where: str, *, alike: bool
) -> Finding:
    what = f"{name} of the run done again"
    if now is None:
        return Finding(what, Verdict.DIFFERS, "there is none")
    if now.sha256 == before.sha256:
        return Finding(what, Verdict.EQUAL, f"every byte, on {where}")
    return Finding(what, Verdict.DIFFERS if alike else Verdict.UNKNOWN, f"other predictions, on {where}")


def _metric_again(
    name: str, before: float | None, now: float | None, std: float | None, n: int, *, alike: bool
) -> Finding:
    what = f"{name} of the run done again"
    said = f"{figures.metric(name, now)}, published {figures.metric(name, before)}"
    if before == now:
        return Finding(what, Verdict.EQUAL, said)
    if alike or before is None or now is None:
        return Finding(what, Verdict.DIFFERS, said)
    if std is None:
        return Finding(what, Verdict.UNKNOWN, f"{said}; of one seed there is no spread to compare with")
    within = abs(now - before) <= _SPREADS * std
    spread = f"{_SPREADS:g} standard deviations over {n} seeds are {figures.metric(name, _SPREADS * std)}"
    return Finding(what, Verdict.EQUAL if within else Verdict.DIFFERS, f"{said}; {spread}")


def _same_machine(one: RunResult, other: RunResult) -> bool:
    return one.hardware == other.hardware and one.versions == other.versions
