"""What pods of `spec.publish` do: they push to places that may be away, and write their record before and after."""

import random
from collections.abc import Iterable

from finetune_core.api import Publication
from finetune_core.publishing.orders import Order, OrderedModel, Publications, Pushed
from finetune_core.results.run import ExitCode, FailureReason
from finetune_core.results.schema import ResultsDocument
from finetune_store import documents
from support.simulated.store import MemoryStore
from support.simulated.work import LAYOUT

ENTRIES = (
    (),
    (Publication(name="hub", to="hf://team/{task}"),),
    (Publication(name="hub", to="hf://team/{task}"), Publication(name="bucket", to="s3://bucket/{task}/{run}")),
    (Publication(name="hub", to="hf://other/rte", tasks=("rte",), license="mit"),),
)


class Places:
    """What lies where, by the place's URI; `pushing` are places that some pod writes to just now."""

    def __init__(self, rng: random.Random, store: MemoryStore) -> None:
        self._rng = rng
        self._store = store
        self.there: dict[str, str] = {}
        self.pushing: dict[str, str] = {}

    def step(self, pod: str, doing: OrderedModel | None, order: Order, report: str) -> OrderedModel | ExitCode:
        """A moment of a pod's life: what it does next, or how it ends."""
        if doing is not None:
            self._push(pod, doing, order)
        elif self._report() != report:
            return ExitCode.RESULTS_CHANGED
        record = self.record(order.name)
        model = next((model for model in order.models if not record.has(model)), None)
        if model is None:
            return ExitCode.SUCCESS
        if self._rng.random() < 0.2:
            return ExitCode.RETRY
        if self._rng.random() < 0.05:
            return ExitCode.USER_ERROR
        assert model.to not in self.pushing, "two pods push to one place at the same time"
        self.pushing[model.to] = pod
        self._write(order.name, record.with_begun(model.to))
        return model

    def _push(self, pod: str, model: OrderedModel, order: Order) -> None:
        assert self.pushing.get(model.to) == pod
        self.there[model.to] = model.digest
        if self._rng.random() < 0.1:
            # Cut off before it can be recorded: the next pod does it again.
            self.stopped(pod)
            return
        # While the store is away the pod waits here.
        record = self.record(order.name)
        assert not record.has(model), "what lies there is pushed again"
        pushed = Pushed(
            task=model.task, run=model.run, run_id=model.run_id, digest=model.digest, uri=model.to, time="now"
        )
        self._write(order.name, record.with_pushed(model.to, pushed))
        self.stopped(pod)

    def stopped(self, pod: str) -> None:
        """A pod ends, whatever it did."""
        self.pushing = {place: other for place, other in self.pushing.items() if other != pod}

    def record(self, entry: str) -> Publications:
        found = documents.find(self._store, LAYOUT.published(entry), Publications)
        return found or Publications()

    def _write(self, entry: str, record: Publications) -> None:
        self._store.put(LAYOUT.published(entry), record.to_json())

    def _report(self) -> str | None:
        found = documents.find(self._store, LAYOUT.results("json"), ResultsDocument)
        return None if found is None else found.report_digest

    def require(self, models: Iterable[OrderedModel]) -> None:
        """All of these lie there."""
        for model in models:
            assert self.there.get(model.to) == model.digest, f"{model.to} has another model than the best"


REASONS = {ExitCode.RESULTS_CHANGED: FailureReason.RESULTS_CHANGED, ExitCode.RETRY: FailureReason.PLACE}
"""What a pod says at its end; of another exit the user's mistake, or nothing."""
