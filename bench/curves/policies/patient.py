"""Successive halving that waits until there is something to tell trials apart by.

Trials that still answer with the majority class have a loss of that class's entropy, and which of them is ahead is
chance. So nothing waits before enough of the trials are clearly below what they began with. Where none ever is, every
trial comes to its end, and the search is the full one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from curves.search import Policy, Score, Search

_STRIDE = 0.05


@dataclass(frozen=True)
class Patience:
    """The first look is at `first`, the next ones each at `further` times the progress of the one before.

    At a look the best 1/`factor` go on. Until a share `moved` of the trials has lost a share `drop` of the loss that
    trials begin with, the look is put off to the next evaluation.
    """

    first: float
    further: float
    factor: int
    score: Score
    moved: float
    drop: float = 0.05


def patient(settings: Patience) -> Policy:
    """Pauses, and never stops for good: what goes on is decided anew from all that was seen."""

    def policy(search: Search) -> int | None:
        going: Sequence[int] = search.trials
        place = settings.first
        while place < 1 and len(going) > 1:
            if (late := _behind(search, going, place)) is not None:
                return late
            then = _back_at(search, going, place)
            if _told_apart(then, going, settings):
                ordered = sorted(going, key=lambda trial: (-settings.score(then, trial), trial))
                going = ordered[: max(1, len(going) // settings.factor)]
                place *= settings.further
            else:
                place += _STRIDE
        return _behind(search, going, 1.0)

    return policy


def _behind(search: Search, trials: Sequence[int], place: float) -> int | None:
    return next((trial for trial in trials if search.seen[trial] < search.count_at(trial, place)), None)


def _back_at(search: Search, trials: Sequence[int], place: float) -> Search:
    """The search as it was when these trials had this progress."""
    seen = list(search.seen)
    for trial in trials:
        seen[trial] = search.count_at(trial, place)
    return Search(search.curves, seen)


def _told_apart(then: Search, going: Sequence[int], settings: Patience) -> bool:
    firsts = sorted(curve.best_losses[0] for curve in then.curves)
    begins = firsts[3 * len(firsts) // 4]
    bests = [then.curves[trial].best_losses[then.seen[trial] - 1] for trial in going]
    moved = sum(best <= (1 - settings.drop) * begins for best in bests)
    return moved >= settings.moved * len(going)
