"""Units that failed for good in a Job that is gone, by the failure reports that lie in the store."""

from collections.abc import Callable, Mapping

from finetune_core.deciding.observation import FailureCause
from finetune_core.results.run import ExitCode, Failure, failure_scope
from finetune_operator.memory import LookMemory
from finetune_store import ObjectInfo, Store, documents

UnitOf = Callable[[str], str | None]
"""The unit whose failure report lies at a key; None for what is no failure report."""


def given_up(
    store: Store,
    memory: LookMemory,
    revisions: Mapping[str, str],
    *,
    folder: str,
    unit_of: UnitOf,
    owner_uid: str,
    retries: int,
) -> dict[str, FailureCause]:
    """Why units (with the revision of their next Job) are not tried again; looked for once, before that is made.

    `folder` is where the failure reports lie. StoreError.
    """
    if not revisions:
        memory.given_up = None
        return {}
    if memory.given_up is None or memory.given_up[0] != revisions:
        found = {}
        for unit, reports in _reports(store, folder, unit_of).items():
            if unit not in revisions:
                continue
            failures = _of_scope(store, memory, reports, failure_scope(owner_uid, revisions[unit]), retries + 1)
            if failures and (failures[0].is_final or len(failures) > retries):
                found[unit] = FailureCause(failures[0].reason.value, failures[0].message)
        memory.given_up = dict(revisions), found
    return memory.given_up[1]


def _reports(store: Store, folder: str, unit_of: UnitOf) -> dict[str, list[str]]:
    """Keys of failure reports by unit, the newest first."""
    found: dict[str, list[ObjectInfo]] = {}
    for info in store.list(folder):
        unit = unit_of(info.key)
        if unit is not None:
            found.setdefault(unit, []).append(info)
    return {
        unit: [info.key for info in sorted(infos, key=lambda info: (info.modified, info.key), reverse=True)]
        for unit, infos in found.items()
    }


def _of_scope(store: Store, memory: LookMemory, newest_first: list[str], scope: str, most: int) -> list[Failure]:
    """The newest failures, while they are of the scope; a unit that waited for the store in vain did not fail."""
    found: list[Failure] = []
    for key in newest_first:
        if len(found) == most or (found and found[0].is_final):
            break
        failure = memory.attempts.get(key) or documents.find_or_warn(store, key, Failure)
        if failure is None or failure.scope != scope:
            break
        memory.attempts[key] = failure.model_copy(update={"traceback": None})
        if failure.exit_code != ExitCode.STORE:
            found.append(failure)
    return found
