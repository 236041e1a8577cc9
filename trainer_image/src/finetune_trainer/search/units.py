"""What the driver of a RayJob tells the operator: which of its units are done, failed or being worked on."""

import logging

from finetune_core.results import DriverFailure, DriverReport
from finetune_core.search.plan import unit_name
from finetune_store import Store, StoreError
from finetune_trainer.errors import RunError
from finetune_trainer.search.leases import now

logger = logging.getLogger(__name__)

Unit = tuple[str, int]


class UnitReporter:
    """Rewrites the DriverReport when it changes; without a key nobody wants it. What is not sent goes next time."""

    def __init__(self, store: Store, key: str | None) -> None:
        self._store = store
        self._key = key
        self._report = DriverReport(time=now())

    def running(self, unit: Unit) -> None:
        """The unit is being worked on."""
        self._send(running=(unit_name(unit),))

    def done(self, unit: Unit) -> None:
        """The unit's task has its end."""
        self._send(done=(*self._report.done, unit_name(unit)), running=())

    def failed(self, unit: Unit, error: RunError) -> None:
        """The unit will not be tried again by this driver."""
        failure = DriverFailure(reason=error.reason.value, message=str(error))
        self._send(failed={**self._report.failed, unit_name(unit): failure}, running=())

    def _send(self, **changes: object) -> None:
        self._report = self._report.model_copy(update={**changes, "time": now()})
        if self._key is None:
            return
        try:
            self._store.put(self._key, self._report.to_json())
        except StoreError as error:
            logger.warning("the driver's report is not sent for now: %s", error)
