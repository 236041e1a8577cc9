"""What goes wrong, when and for how long: a plan that a seed decides. Pure.

Kinds come in shuffled decks, so that each has had its turn before one has its second.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

SHORTEST, LONGEST = 10.0, 600.0
"""Seconds that an outage takes."""
_SHARE_OF_CAMPAIGN = 1 / 12
"""Of a campaign's time, the longest that one outage may take."""


class Kind(StrEnum):
    """What a fault does."""

    OPERATOR_KILLED = "operator killed"
    OPERATOR_FROZEN = "operator frozen"
    APISERVER_DOWN = "API server down"
    APISERVER_HANGS = "API server hangs"
    STORE_KILLED = "store killed"
    STORE_DOWN = "store down"
    STORE_HANGS = "store hangs"
    POD_EVICTED = "pod evicted"
    POD_FORCED = "pod deleted by force"
    POD_KILLED = "pod's processes killed"
    DRIVER_FROZEN = "driver frozen"
    RESULT_TORN = "result torn"
    RESULT_DELETED = "result deleted"
    TRIAL_TORN = "trial's result torn"
    TRIAL_DELETED = "trial's result deleted"
    CLAIM_TORN = "claim torn"
    CLAIM_DELETED = "claim deleted"
    CHECKPOINT_TORN = "checkpoint torn, its pod killed"
    RUNS_ADDED = "runs added"
    VALUES_AND_BACK = "values changed and back"
    SUSPENDED = "suspended and resumed"
    RETRY_TOKEN = "retry token"


class Phase(StrEnum):
    """When it happens: in which phase of the experiment or search."""

    RESOLVING = "resolving"
    WORKING = "working"
    REPORTING = "reporting"


OUTAGES = frozenset(
    {
        Kind.OPERATOR_FROZEN,
        Kind.APISERVER_DOWN,
        Kind.APISERVER_HANGS,
        Kind.STORE_DOWN,
        Kind.STORE_HANGS,
        Kind.DRIVER_FROZEN,
    }
)
_SEARCH_ONLY = frozenset({Kind.DRIVER_FROZEN, Kind.TRIAL_TORN, Kind.TRIAL_DELETED, Kind.CLAIM_TORN, Kind.CLAIM_DELETED})
_EXPERIMENT_ONLY = frozenset({Kind.RESULT_TORN, Kind.RESULT_DELETED, Kind.RUNS_ADDED, Kind.VALUES_AND_BACK})
_ONLY_WHILE_WORKING = frozenset({Kind.DRIVER_FROZEN, Kind.CLAIM_TORN, Kind.CLAIM_DELETED, Kind.CHECKPOINT_TORN})
_OF_RESULTS = frozenset({Kind.RESULT_TORN, Kind.RESULT_DELETED, Kind.TRIAL_TORN, Kind.TRIAL_DELETED})
"""There are none before the work."""


@dataclass(frozen=True)
class Fault:
    """One fault: `delay` seconds after its phase began, for `seconds`; `draw` (0 to 1) picks among targets."""

    number: int
    kind: Kind
    phase: Phase
    on_search: bool
    delay: float
    seconds: float
    draw: float


def longest_outage(minutes: float) -> float:
    """The longest outage of a campaign of so many minutes."""
    return min(LONGEST, max(SHORTEST, 60 * minutes * _SHARE_OF_CAMPAIGN))


def kinds_of(names: str) -> tuple[Kind, ...]:
    """Kinds by name (`store_killed,claim_torn`), all of them for ""; ValueError that lists the names."""
    known = {kind.name.lower(): kind for kind in Kind}
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    if strange := set(wanted) - known.keys():
        raise ValueError(f"CHAOS_KINDS has no {', '.join(sorted(strange))}; there are {', '.join(known)}")
    return tuple(known[name] for name in wanted) or tuple(Kind)


def faults(seed: int, longest: float, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Fault]:
    """The faults of a campaign whose outages take `longest` seconds at most, without end."""
    source = random.Random(seed)
    for number, kind in enumerate(_decks(source, kinds)):
        yield _fault(source, number, kind, longest)


def aimed_again(fault: Fault) -> Fault:
    """The same fault where it is likelier to meet something: during the work, of the other one where it may be."""
    fixed = fault.kind in _SEARCH_ONLY | _EXPERIMENT_ONLY
    return replace(fault, phase=Phase.WORKING, on_search=fault.on_search if fixed else not fault.on_search)


def _decks(source: random.Random, kinds: Sequence[Kind]) -> Iterator[Kind]:
    while True:
        deck = list(kinds)
        source.shuffle(deck)
        yield from deck


def _fault(source: random.Random, number: int, kind: Kind, longest: float) -> Fault:
    on_search = source.random() < 0.5
    drawn = source.choice([Phase.WORKING, Phase.REPORTING] if kind in _OF_RESULTS else list(Phase))
    phase = Phase.WORKING if kind in _ONLY_WHILE_WORKING else drawn
    delay = source.uniform(0, 5)
    seconds = SHORTEST * (longest / SHORTEST) ** source.random()
    return Fault(
        number=number,
        kind=kind,
        phase=phase,
        on_search=kind in _SEARCH_ONLY or (on_search and kind not in _EXPERIMENT_ONLY),
        # Inputs are resolved in a second: what is to meet that begins at once.
        delay=0 if phase is Phase.RESOLVING else delay,
        # What is changed and changed back stays so for a moment only: longer than a look, or not.
        seconds=seconds if kind in OUTAGES else source.uniform(0, 6),
        draw=source.random(),
    )
