"""What a look at either kind knows of its budget: how much time has passed, and what the store tells pods."""

from datetime import datetime

from finetune_core.api.budget import Budget
from finetune_core.deciding.budget import Limits
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Hold
from finetune_core.results.search.summarise import seconds_between
from finetune_operator.memory import LookMemory
from finetune_store import Store, documents


def limits(
    store: Store,
    layout: ExperimentLayout,
    memory: LookMemory,
    budget: Budget | None,
    started: str | None,
    now: datetime,
) -> Limits:
    """As of `now`, of what was `started` at an ISO time, if it was; the store is asked once. StoreError."""
    if memory.held is None:
        memory.held = documents.find_or_warn(store, layout.hold, Hold) is not None
    return Limits(budget, seconds_between(started, now.isoformat()) or 0.0, memory.held)
