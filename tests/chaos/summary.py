"""The table at the end: faults injected by kind, and how long until the next progress. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles

from chaos.faults import Fault, Kind
from chaos.observed import Look, Violation


@dataclass(frozen=True)
class Injected:
    """A fault that happened: what it hit, when it began and was over."""

    fault: Fault
    hit: str
    folders: tuple[str, ...]
    """Of the experiment and the search of its round."""
    began: float
    ended: float
    progress: float | None = None
    """Seconds from its end until something went on; None where nothing was left to do."""


def with_progress(injected: Injected, looks: Sequence[Look]) -> Injected:
    """A fault, and when both the API server and the store answered again, and something had gone on in the store."""
    answered = [look for look in looks if look.keys is not None and look.owners is not None]
    known = [_state(look, injected.folders) for look in answered if look.at <= injected.ended][-1:]
    later = (look for look in answered if look.at > injected.ended)
    went_on = (look.at - injected.ended for look in later if [_state(look, injected.folders)] != known)
    return replace(injected, progress=next(went_on, None))


def _state(look: Look, folders: tuple[str, ...]) -> dict[str, str]:
    """What the work has come to; a heartbeat is no progress."""
    keys = (look.keys or {}).items()
    return {key: seen.etag for key, seen in keys if key.startswith(folders) and "/drivers/" not in key}


def table(injected: Sequence[Injected], found: Sequence[Violation]) -> str:
    """Markdown, a row a kind."""
    rows = ["| fault | injected | recovered p50 s | p99 s |", "|---|---|---|---|"]
    for kind in Kind:
        hits = [one for one in injected if one.fault.kind is kind and one.hit]
        seconds = [one.progress for one in hits if one.progress is not None]
        if hits:
            rows.append(f"| {kind} | {len(hits)} | {_figures(seconds)} |")
    total = sum(1 for one in injected if one.hit)
    rows.append(f"\n{total} faults injected, {len(found)} violations found.")
    return "\n".join([*rows, *(f"- {one}" for one in found)])


def _figures(seconds: list[float]) -> str:
    if not seconds:
        return "nothing was left to do | "
    last = quantiles(seconds, n=100, method="inclusive")[98] if len(seconds) > 1 else seconds[0]
    return f"{median(seconds):.1f} | {last:.1f}"
