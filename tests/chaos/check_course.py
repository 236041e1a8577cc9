"""What must hold at every moment on the way, over all looks. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from chaos.observed import Json, Look, Tampered, Violation

_AGAIN_SECONDS = 2.0
"""A store tells when an object was written by the second."""


def check_course(looks: Sequence[Look], tampered: Tampered) -> Iterator[Violation]:
    """No run twice at the same time, none executed again after its result, one live Job, results written once."""
    yield from _unique(_two_jobs(looks))
    yield from _unique(_twice_at_once(looks))
    yield from _unique(_trial_twice_at_once(looks, tampered))
    yield from _unique(_written_again(looks, tampered))
    yield from _unique(_executed_again(looks, tampered))


def _unique(found: Iterator[Violation]) -> list[Violation]:
    return list(dict.fromkeys(found))


def is_live(job: Json) -> bool:
    """Whether a Job may have pods: not suspended, not being deleted, not ended."""
    ended = {one["type"] for one in (job.get("status") or {}).get("conditions") or () if one["status"] == "True"}
    suspended = job["spec"].get("suspend") or job["metadata"].get("deletionTimestamp")
    return not suspended and not ended & {"Complete", "Failed"}


def _two_jobs(looks: Sequence[Look]) -> Iterator[Violation]:
    for look in looks:
        live: dict[str, list[str]] = {}
        for job in (look.children or {}).get("jobs", ()):
            if is_live(job):
                live.setdefault(owner_uid(job), []).append(job["metadata"]["name"])
        yield from (Violation("one live Job", ", ".join(sorted(jobs))) for jobs in live.values() if len(jobs) > 1)


def owner_uid(child: Json) -> str:
    """The uid of who controls a child; "" of an orphan."""
    owners = child["metadata"].get("ownerReferences") or ()
    return str(next((one["uid"] for one in owners if one.get("controller")), ""))


def attempts(looks: Sequence[Look]) -> dict[str, set[str]]:
    """Folder of a run -> the attempts that ever began it."""
    found: dict[str, set[str]] = {}
    for look in looks:
        for key in look.keys or ():
            run, between, rest = key.partition("/attempts/")
            if between:
                found.setdefault(run, set()).add(rest.partition("/")[0])
    return found


def _running(look: Look) -> set[str]:
    pods = (look.children or {}).get("pods", ())
    return {pod["metadata"]["uid"] for pod in pods if pod.get("status", {}).get("phase") == "Running"}


def _twice_at_once(looks: Sequence[Look]) -> Iterator[Violation]:
    """Two pods of one run at work. (Drivers of a search are all at work; their attempts have longer names.)"""
    began = attempts(looks)
    for look in looks:
        running = _running(look)
        for run, pods in began.items():
            both = pods & running
            if len(both) > 1:
                yield Violation("no run twice at the same time", f"{run} in pods {sorted(both)} at {look.at:.0f} s")


def _trial_twice_at_once(looks: Sequence[Look], tampered: Tampered) -> Iterator[Violation]:
    """Two drivers that live say for two looks that they do one trial."""
    for before, after in pairwise(looks):
        told, still = _at_work(before, tampered), _at_work(after, tampered)
        for trial in told.keys() & still.keys():
            both = told[trial] & still[trial]
            if len(both) > 1 and trial not in tampered.trials:
                yield Violation("no run twice at the same time", f"{trial} by {sorted(both)}")


def _at_work(look: Look, tampered: Tampered) -> dict[str, set[str]]:
    living = _running(look) - tampered.frozen
    doing: dict[str, set[str]] = {}
    for key, beat in look.beats.items():
        driver = str(beat["driver"])
        if not beat.get("ended") and any(driver.endswith(uid) for uid in living):
            for trial in beat.get("running") or ():
                doing.setdefault(f"{key.partition('/drivers/')[0]}/{trial}", set()).add(driver)
    return doing


def _written_again(looks: Sequence[Look], tampered: Tampered) -> Iterator[Violation]:
    """A result that changed or went away, although nobody but us touched it; one that came back after we did, too."""
    first: dict[str, str] = {}
    for look in looks:
        if look.keys is None:
            continue
        first = {key: etag for key, etag in first.items() if not _touched(key, look, tampered)}
        for key, etag in first.items():
            now = look.keys.get(key)
            if now is None or now.etag != etag:
                yield Violation("each run one result", f"{key} was {'lost' if now is None else 'written again'}")
        results = {key: seen.etag for key, seen in look.keys.items() if _counts(key, look, tampered)}
        first = {**results, **first}


def _touched(key: str, look: Look, tampered: Tampered) -> bool:
    """Whether the campaign touched a result since the look began."""
    return look.at <= tampered.keys.get(key, float("-inf"))


def _counts(key: str, look: Look, tampered: Tampered) -> bool:
    """Whether a look sees a result in its place that the campaign has nothing to do with."""
    seen = (look.keys or {}).get(key)
    left = seen is None or seen.etag in tampered.torn
    return is_result(key) and not left and not _touched(key, look, tampered)


def is_result(key: str) -> bool:
    """Whether a key is the place of a run's or a trial's result."""
    return key.endswith("/result.json") and ("/runs/" in key or "/trials/" in key)


def _executed_again(looks: Sequence[Look], tampered: Tampered) -> Iterator[Violation]:
    """An attempt that began after the run had its result."""
    ended: dict[str, tuple[float, set[str]]] = {}
    for look in looks:
        began = attempts([look])
        for run, pods in began.items():
            result = (look.keys or {}).get(f"{run}/result.json")
            if result is None or not _counts(f"{run}/result.json", look, tampered):
                continue
            when, known = ended.setdefault(run, (result.modified, pods))
            late = {pod for pod in pods - known if _first(look, run, pod) > when + _AGAIN_SECONDS}
            if late:
                yield Violation("not executed again after its result", f"{run} by {sorted(late)}")


def _first(look: Look, run: str, attempt: str) -> float:
    folder = f"{run}/attempts/{attempt}/"
    return min(seen.modified for key, seen in (look.keys or {}).items() if key.startswith(folder))
