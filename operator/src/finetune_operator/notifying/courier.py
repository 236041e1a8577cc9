"""Takes letters from looks and has them sent beside these: as many at a time as there are workers, fair to namespaces.

It remembers nothing that is not in a status: what it has not sent when it ends waits there.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from finetune_core.notifying.bodies import About
from finetune_core.notifying.outbox import Attempt
from finetune_operator.notifying.sending import Letter
from finetune_operator.problems import NotLeadingError
from finetune_operator.queue import WorkQueue

logger = logging.getLogger(__name__)

_WORKERS = 8
_MOST = 1000
_MOST_OF_ONE = 100


class Post(Protocol):
    """What looks need of a courier; thread-safe."""

    def attempts(self, about: About) -> Mapping[str, Attempt]:
        """What became of the object's letters, by id, and is not in its status yet."""
        ...

    def written(self, about: About, ids: Iterable[str]) -> None:
        """The status has these attempts now."""
        ...

    def take(self, letters: Iterable[Letter]) -> bool:
        """Have letters sent that are not on their way yet; False where some have to come again later."""
        ...

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """The object is gone."""
        ...


class NoPost:
    """Where nobody sends: what happened waits in the status."""

    def attempts(self, about: About) -> Mapping[str, Attempt]:
        """None."""
        return {}

    def written(self, about: About, ids: Iterable[str]) -> None:
        """Nothing to forget."""

    def take(self, letters: Iterable[Letter]) -> bool:
        """They stay in the status."""
        return True

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """Nothing to forget."""


class _Key(NamedTuple):
    namespace: str
    id: str


class Courier:
    """`send` is called in threads of its own and `tell` after each attempt, so that the status gets to know of it.

    `permitted` raises NotLeadingError where another process may send; `count` is told `delivered` or `failed`.
    """

    def __init__(
        self,
        send: Callable[[Letter], Attempt],
        *,
        tell: Callable[[About], Awaitable[None]],
        permitted: Callable[[], None] = lambda: None,
        count: Callable[[str], None] = lambda _outcome: None,
        workers: int = _WORKERS,
    ) -> None:
        self._send = send
        self._tell = tell
        self._permitted = permitted
        self._count = count
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="notify")
        self._queue: WorkQueue[_Key] = WorkQueue(
            self._work, workers=workers, group=lambda key: key.namespace, on_error=_report
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._letters: dict[str, Letter] = {}
        self._attempts: dict[str, tuple[About, Attempt]] = {}

    def start(self) -> "asyncio.Task[None]":
        """Send, in the running loop, until the task is cancelled."""
        self._loop = asyncio.get_running_loop()
        return asyncio.create_task(self._queue.run(), name="notifications")

    async def set_open(self, is_open: bool) -> None:
        """Whether letters are taken up; what is on its way is not touched."""
        await self._queue.set_open(is_open)

    def stop(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def forget_all(self) -> None:
        """Remember nothing: somebody else may have sent in between."""
        with self._lock:
            self._letters.clear()
            self._attempts.clear()

    def attempts(self, about: About) -> Mapping[str, Attempt]:
        """See Post."""
        with self._lock:
            return {ident: attempt for ident, (of, attempt) in self._attempts.items() if of == about}

    def written(self, about: About, ids: Iterable[str]) -> None:
        """See Post."""
        with self._lock:
            for ident in ids:
                self._attempts.pop(ident, None)

    def take(self, letters: Iterable[Letter]) -> bool:
        """See Post."""
        with self._lock:
            new = [one for one in letters if one.id not in self._letters and one.id not in self._attempts]
            taken = [one for one in new if self._has_room(one)]
        for letter in taken:
            self._add(_Key(letter.about.namespace, letter.id))
        return len(taken) == len(new)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """See Post."""
        with self._lock:
            for ident in [ident for ident, (of, _) in self._attempts.items() if _is(of, kind, namespace, name)]:
                del self._attempts[ident]

    def _has_room(self, letter: Letter) -> bool:
        of_one = sum(one.about.namespace == letter.about.namespace for one in self._letters.values())
        if len(self._letters) >= _MOST or of_one >= _MOST_OF_ONE:
            return False
        self._letters[letter.id] = letter
        return True

    def _add(self, key: _Key) -> None:
        if self._loop is None:
            raise RuntimeError("the courier takes letters once it is started")
        adding = self._queue.add(key)
        try:
            asyncio.run_coroutine_threadsafe(adding, self._loop)
        except RuntimeError:
            # The loop has ended before this look: the letter waits in the status.
            adding.close()

    async def _work(self, key: _Key) -> None:
        with self._lock:
            letter = self._letters.get(key.id)
        if letter is None:
            return
        attempt = await asyncio.get_running_loop().run_in_executor(self._threads, self._try, letter)
        with self._lock:
            self._letters.pop(key.id, None)
            if attempt is not None:
                self._attempts[key.id] = (letter.about, attempt)
        if attempt is not None:
            await self._tell(letter.about)

    def _try(self, letter: Letter) -> Attempt | None:
        try:
            self._permitted()
        except NotLeadingError as error:
            logger.info("a notification is left to the next leader: %s", error)
            return None
        attempt = self._sent(letter)
        self._count("delivered" if attempt.problem is None else "failed")
        about = {"experiment": f"{letter.about.namespace}/{letter.about.name}", "receiver": letter.notification.name}
        if attempt.problem is None:
            logger.info("told of %s", letter.said["event"], extra=about)
        else:
            logger.warning("not told of %s: %s", letter.said["event"], attempt.problem, extra=about)
        return attempt

    def _sent(self, letter: Letter) -> Attempt:
        try:
            return self._send(letter)
        except Exception as error:  # noqa: BLE001 - the boundary: what nobody foresaw is an attempt too, so that it ends
            # By its type alone: errors of libraries hold addresses.
            logger.error("a notification met an unexpected error: %s", type(error).__name__)  # noqa: TRY400
            return Attempt(f"the operator met an error that it does not know ({type(error).__name__})")


def _is(about: About, kind: str, namespace: str, name: str) -> bool:
    return (about.kind, about.namespace, about.name) == (kind, namespace, name)


def _report(key: _Key, error: Exception) -> None:
    logger.error("notifications: %s", type(error).__name__, extra={"watched_namespace": key.namespace}, exc_info=error)
