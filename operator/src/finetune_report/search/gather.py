"""What the drivers of a search left in the object store."""

import logging
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.summarise import SearchFindings
from finetune_core.results.search.trial import Claim, TaskEnd, TaskStart, TrialResult
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_report.errors import ReportError, reported
from finetune_store import Store
from finetune_store.documents import find, find_or_warn

_log = logging.getLogger(__name__)

_READERS = 8
_TRIAL_FILE = re.compile(r"([0-9]{5})/(result\.json|claims/[0-9]+\.json)")
"""As `SearchLayout.trial` names them."""

_Place = tuple[TrialKind, str, int]


def read_plan(store: Store, layout: SearchLayout) -> SearchPlan:
    """The plan in force. ReportError if there is none, or none of this version."""
    with reported():
        plan = find(store, layout.plan, SearchPlan, layout.root)
    if plan is None:
        raise ReportError(f"{store.uri(layout.plan)} does not exist: is it the right store, namespace and search?")
    return plan


def read_ends(store: Store, layout: SearchLayout, plan: SearchPlan) -> dict[str, TaskEnd]:
    """How the tasks ended, in the plan's order; a task that has not is left out. StoreError."""
    found = {task: find_or_warn(store, layout.end(task), TaskEnd) for task in plan.order}
    return {task: end for task, end in found.items() if end is not None}


def gather(store: Store, layout: SearchLayout, plan: SearchPlan, ends: dict[str, TaskEnd]) -> SearchFindings:
    """Everything else: one listing a task and kind, then one read a trial. StoreError.

    A result that is unreadable, or another trial's, is none: the search does the trial again.
    """
    files: dict[_Place, list[str]] = {}
    for kind in TrialKind:
        for task in plan.order:
            files |= _trials(store, layout, kind, task)

    def start(task: str) -> TaskStart | None:
        return find_or_warn(store, layout.start(task), TaskStart)

    ended = [place for place, names in files.items() if "result.json" in names]
    with ThreadPoolExecutor(_READERS) as pool:
        found = zip(ended, pool.map(lambda place: _result(store, layout, place), ended), strict=True)
        results = {place: result for place, result in found if result is not None}
        starts = dict(zip(plan.order, pool.map(start, plan.order), strict=True))
    open_ = [place for place in sorted(files) if place not in results]
    return SearchFindings(
        trials=_by_task(results, TrialKind.TRIALS),
        finalists=_by_task(results, TrialKind.FINALISTS),
        unfinished={place: _first_claim(store, layout, place, files[place]) for place in open_},
        starts={task: start for task, start in starts.items() if start is not None},
        ends=ends,
    )


def _trials(store: Store, layout: SearchLayout, kind: TrialKind, task: str) -> dict[_Place, list[str]]:
    """Names below each trial's folder."""
    folder = layout.trials(kind, task)
    found: dict[_Place, list[str]] = {}
    for info in store.list(folder):
        if match := _TRIAL_FILE.fullmatch(info.key.removeprefix(f"{folder}/")):
            found.setdefault((kind, task, int(match[1])), []).append(match[2])
    return found


def _by_task(results: dict[_Place, TrialResult], kind: TrialKind) -> dict[str, list[TrialResult]]:
    found: dict[str, list[TrialResult]] = {}
    for (of_kind, task, _), result in sorted(results.items()):
        if of_kind == kind:
            found.setdefault(task, []).append(result)
    return found


def _result(store: Store, layout: SearchLayout, place: _Place) -> TrialResult | None:
    kind, task, index = place
    key = layout.trial(kind, task, index).result
    result = find_or_warn(store, key, TrialResult)
    if result is not None and not result.is_of(task, index):
        _log.warning("left out: %s is of trial %d of %s", store.uri(key), result.index, result.task)
        return None
    return result


def _first_claim(store: Store, layout: SearchLayout, place: _Place, names: Iterable[str]) -> Claim | None:
    first = min(names)
    return find_or_warn(store, f"{layout.trial(*place).root}/{first}", Claim)
