"""Trying again: exponential backoff with full jitter, for transient errors only, bounded in time.

The one place that retries: urllib3's and minio's own retries are off, so the two never multiply.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from finetune_store._deadline import current_deadline
from finetune_store._errors import DeadlineError, StoreError

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0

T = TypeVar("T")
_log = logging.getLogger("finetune_store")


def with_retries(operation: Callable[[], T], *, seconds: float) -> T:
    """The operation's result; tried again after transient StoreErrors while less than `seconds` have passed.

    The last error is raised as it is. An attempt under way is cut off by the deadline, if there is one; otherwise the
    network's timeouts bound it.
    """
    limit = current_deadline()
    retrying = Retrying(
        stop=stop_before_delay(seconds if limit is None else min(seconds, limit.left)),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        retry=retry_if_exception(_is_transient),
        before_sleep=_log_retry,
        reraise=True,
    )
    return retrying(operation)


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, StoreError) and error.transient and not isinstance(error, DeadlineError)


def _log_retry(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    _log.warning("%s; attempt %d, the next in %.1f s", reason, state.attempt_number, state.upcoming_sleep)
