"""What the driver of a RayJob tells the operator: which of its units are done, failed or being worked on."""

import logging
from datetime import UTC, datetime

from finetune_core.results.run import DriverFailure, DriverReport
from finetune_core.times import written
from finetune_store import Store, StoreError

logger = logging.getLogger(__name__)


class DriverReporter:
    """Rewrites the DriverReport when it changes; without a key nobody wants it. What is not sent goes next time.

    Units are named as in DriverReport: run ids, or task/cluster.
    """

    def __init__(self, store: Store, key: str | None) -> None:
        self._store = store
        self._key = key
        self._report = DriverReport(time="")

    def running(self, unit: str) -> None:
        """The unit is being worked on."""
        self._send(running=(*self._others(unit), unit))

    def stopped(self, unit: str) -> None:
        """The unit is no longer worked on, for now."""
        self._send(running=self._others(unit))

    def done(self, unit: str) -> None:
        """The unit has its result."""
        self._send(done=(*self._report.done, unit), running=self._others(unit))

    def failed(self, unit: str, reason: str, message: str) -> None:
        """The unit will not be tried again by this driver."""
        failed = {**self._report.failed, unit: DriverFailure(reason=reason, message=message)}
        self._send(failed=failed, running=self._others(unit))

    def _others(self, unit: str) -> tuple[str, ...]:
        return tuple(one for one in self._report.running if one != unit)

    def _send(self, **changes: object) -> None:
        time = written(datetime.now(UTC))
        self._report = self._report.model_copy(update={**changes, "time": time})
        if self._key is None:
            return
        try:
            self._store.put(self._key, self._report.to_json())
        except StoreError as error:
            logger.warning("the driver's report is not sent for now: %s", error)
