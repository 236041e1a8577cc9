"""Today's schedulers: trials one after another, each to its end or until it is stopped for good."""

from functools import lru_cache

from curves.recorded import Curve
from curves.search import Policy, Search
from finetune_core.api.search import Asha, TrialScheduler
from finetune_core.deciding.early_stopping import lags
from finetune_core.results.search.trial import TrialReport

_METRIC = "metric"


def full(search: Search) -> int | None:
    """Every trial to its end, as `scheduler: FIFO` does."""
    return next((trial for trial in search.trials if not search.ended(trial)), None)


def asha(settings: Asha) -> Policy:
    """`scheduler: ASHA`, by the product's own function."""

    def policy(search: Search) -> int | None:
        last = max((trial for trial in search.trials if search.seen[trial]), default=-1)
        if last >= 0 and not search.ended(last) and not _lags(search, last, settings):
            return last
        return last + 1 if last + 1 in search.trials else None

    return policy


def _lags(search: Search, trial: int, settings: Asha) -> bool:
    if search.progress(trial) + 1e-9 < settings.grace_period:
        return False
    history = _reports(search.curves[trial])[: search.seen[trial]]
    others = (_reports(search.curves[other])[: search.seen[other]] for other in search.trials if other != trial)
    return lags(TrialScheduler.ASHA, settings, history, others, metric=_METRIC, greater_is_better=True)


@lru_cache(maxsize=4096)
def _of(key: tuple[str, int, int], rows: tuple[tuple[float, float, float], ...]) -> tuple[TrialReport, ...]:
    return tuple(
        TrialReport(step=0, progress=progress, seconds=0, metrics={_METRIC: value, "loss": loss})
        for progress, loss, value in rows
    )


def _reports(curve: Curve) -> tuple[TrialReport, ...]:
    rows = tuple((place, row[2], row[3]) for place, row in zip(curve.progress, curve.rows, strict=True))
    return _of((curve.setting, curve.index, curve.seed), rows)
