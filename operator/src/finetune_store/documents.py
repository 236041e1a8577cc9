"""The one place that reads JSON documents of a store into models: how large each may be, and what is done about others.

    plan = read(store, layout.plan, Plan, layout.root)               # NotFoundError, UnreadableError
    result = find(store, layout.result, RunResult)                   # None where there is none; UnreadableError
    progress = find_or_warn(store, layout.progress, Progress)        # None too for what is unreadable, which is logged

Unreadable is what is torn, malformed, of another version, in the folder of an owner that it does not name, or larger
than any document of its kind. The last is found out before it is read: who may write to a bucket may write anything.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from finetune_core.leaderboard.submission import SubmissionManifest
from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.volumes import VolumeLooks
from finetune_core.publishing.orders import Publications
from finetune_core.results.checkpoint import CheckpointPointer
from finetune_core.results.evaluation import Evaluation, read_lines
from finetune_core.results.run import DriverReport, Failure, Hold, Progress, RunResult, RunsAtOnce
from finetune_core.results.schema import ResultsDocument
from finetune_core.results.search.export import BestHyperparameters
from finetune_core.results.search.summary import SearchSummary
from finetune_core.results.search.trial import Claim, Heartbeat, TaskEnd, TaskStart, TrialResult
from finetune_core.stored import of_folder
from finetune_store._errors import NotFoundError, TooLargeError, UnreadableError
from finetune_store._model import Store

_log = logging.getLogger("finetune.documents")
"""Not below the package: the command line shows nothing of that one, whose retries are of no interest there."""

_ModelT = TypeVar("_ModelT", bound=BaseModel)

_KIB, _MIB = 1 << 10, 1 << 20
_OF_ITS_VERSION = "use the finetune of the version that wrote it, or delete it"
_RUN_AGAIN = "delete it to have the run done again"
_SEARCH_AGAIN = "delete it to have it written again by the search"
_AGAIN = "delete it; it is written again"


@dataclass(frozen=True)
class _Kind:
    """What a document is called, the most bytes that are read of it, and what to do about one that is none."""

    name: str
    limit: int
    remedy: str


_KINDS: Mapping[type[BaseModel], _Kind] = {
    # 64 tasks of 100 runs, the most that a spec may ask for, are 1 MB of plan and 7 MB of results.
    Plan: _Kind("plan", 8 * _MIB, _OF_ITS_VERSION),
    SearchPlan: _Kind("plan", 8 * _MIB, _OF_ITS_VERSION),
    ResultsDocument: _Kind("results.json", 16 * _MIB, _OF_ITS_VERSION),
    SearchSummary: _Kind("summary.json", 16 * _MIB, _OF_ITS_VERSION),
    BestHyperparameters: _Kind("best.json", 16 * _MIB, _OF_ITS_VERSION),
    SubmissionManifest: _Kind("submission.json", 16 * _MIB, _OF_ITS_VERSION),
    RunResult: _Kind("result", _MIB, _RUN_AGAIN),
    # Its history has a line an evaluation.
    TrialResult: _Kind("TrialResult", 16 * _MIB, _SEARCH_AGAIN),
    VolumeLooks: _Kind("finding about a volume", 16 * _MIB, "delete it to have a pod look again"),
    CheckpointPointer: _Kind("pointer to a checkpoint", _MIB, _AGAIN),
    # Holds a traceback.
    Failure: _Kind("failure report", _MIB, _AGAIN),
    DriverReport: _Kind("report of a driver", 16 * _MIB, _AGAIN),
    TaskEnd: _Kind("TaskEnd", 64 * _KIB, _SEARCH_AGAIN),
    TaskStart: _Kind("TaskStart", 64 * _KIB, _SEARCH_AGAIN),
    Claim: _Kind("Claim", 64 * _KIB, _SEARCH_AGAIN),
    Heartbeat: _Kind("Heartbeat", 64 * _KIB, _AGAIN),
    Hold: _Kind("hold", 64 * _KIB, _AGAIN),
    Progress: _Kind("progress", 64 * _KIB, _AGAIN),
    Publications: _Kind("record of what is published", 8 * _MIB, "delete it to have its models published again"),
    RunsAtOnce: _Kind("mark of a pod", 64 * _KIB, _AGAIN),
    # 10,000 evaluations of 400 bytes are 4 MiB.
    Evaluation: _Kind("metrics.jsonl", 16 * _MIB, _RUN_AGAIN),
}

FILE_LIMIT = 256 * _MIB
"""The most bytes that are read of a file that is no document: a table, predictions, a zip."""

_MAX_VALUES = 500_000
"""Python's smallest dictionary or text takes 64 bytes, that of a JSON two or three: these take 60 MB at most.

The results of 64 tasks of 100 runs have half as many."""

Get = Callable[[str, int], bytes]
"""Gets an object's bytes by its key and the most that may be read: `Store.get`, or one who remembers."""


def read(store: Store, key: str, model: type[_ModelT], folder: str | None = None, *, get: Get | None = None) -> _ModelT:
    """The document. NotFoundError; UnreadableError, also where it says that it is of another `folder`; StoreError."""

    def parse(content: bytes) -> _ModelT:
        return model.model_validate(parsed(content), context=None if folder is None else of_folder(folder))

    return _read(store, key, model, get, parse)


def find(
    store: Store, key: str, model: type[_ModelT], folder: str | None = None, *, get: Get | None = None
) -> _ModelT | None:
    """As `read`; None if there is none."""
    try:
        return read(store, key, model, folder, get=get)
    except NotFoundError:
        return None


def find_or_warn(
    store: Store, key: str, model: type[_ModelT], folder: str | None = None, *, get: Get | None = None
) -> _ModelT | None:
    """As `find`; None, and a warning in the log, also if it is unreadable: for what decides nothing or is made anew."""
    try:
        return find(store, key, model, folder, get=get)
    except UnreadableError as error:
        _log.warning("left out: %s", error)
        return None


def find_or_set_aside(
    store: Store, key: str, model: type[_ModelT], aside: str, *, own: Callable[[_ModelT], bool] = lambda _: True
) -> _ModelT | None:
    """As `find`; what is unreadable, or not its `own` writer's, is moved to `aside`: for what is then made anew."""
    try:
        found = find(store, key, model)
    except UnreadableError as error:
        _set_aside(store, key, aside, str(error))
        return None
    if found is not None and not own(found):
        _set_aside(store, key, aside, f"{store.uri(key)} is another's")
        return None
    return found


def _set_aside(store: Store, key: str, aside: str, why: str) -> None:
    _log.warning("%s; set aside as %s", why, store.uri(aside))
    # What is larger than any document is none, and goes.
    with suppress(NotFoundError, TooLargeError):
        store.put(aside, store.get(key, limit=16 * _MIB))
    store.delete(key)


def evaluations(store: Store, key: str, *, get: Get | None = None) -> tuple[Evaluation, ...] | None:
    """The lines of a metrics.jsonl, as `find_or_warn`; one torn line makes all of it unreadable."""
    try:
        return _read(store, key, Evaluation, get, read_lines)
    except NotFoundError:
        return None
    except UnreadableError as error:
        _log.warning("left out: %s", error)
        return None


def parsed(content: bytes) -> Any:
    """JSON by a parser with bounded depth; ValueError, also for more values than any document has.

    To validate the result takes a tenth of the memory that pydantic takes to validate malformed JSON itself.
    """
    # Each entry comes after one of these signs. Those in texts count too: there are far fewer.
    if sum(map(content.count, (b"{", b"[", b","))) > _MAX_VALUES:
        raise ValueError(f"it has more than {_MAX_VALUES:,} values")
    return from_json(content)


_T = TypeVar("_T")


def _read(store: Store, key: str, model: type[BaseModel], get: Get | None, parse: Callable[[bytes], _T]) -> _T:
    kind = _KINDS[model]
    try:
        content = store.get(key, limit=kind.limit) if get is None else get(key, kind.limit)
        return parse(content)
    except TooLargeError:
        why = f"it has more than {kind.limit:,} bytes"
    except ValidationError as error:
        why = _first(error)
    except ValueError as error:
        why = str(error)
    # Without its cause: that one holds all of the document.
    raise UnreadableError(f"{store.uri(key)} is no {kind.name} of this version ({why})", kind.remedy)


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, found["loc"]))
    return f"{where}: {found['msg']}" if where else found["msg"]
