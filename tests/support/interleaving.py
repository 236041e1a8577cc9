"""Things that happen at once, one step at a time in an order that the caller chooses, and cut off where it likes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from finetune_store import DirectoryStore, ObjectInfo, every

Pause = Callable[[], None]


class CutOffError(BaseException):
    """The process is killed: no handler of an error may see it as one."""


class _Actor:
    """Runs in a thread of its own up to its next pause, whenever it is told to."""

    def __init__(self, act: Callable[[Pause], None]) -> None:
        self._act = act
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._cut = False
        self.done = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self, *, cut: bool = False) -> None:
        self._cut = cut
        self._go.release()
        self._paused.acquire()

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._act(self._pause)
        except CutOffError:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised where the actors are waited for
            self.error = error
        self.done = True
        self._paused.release()

    def _pause(self) -> None:
        self._paused.release()
        self._go.acquire()
        if self._cut:
            raise CutOffError


def interleave(acts: Sequence[Callable[[Pause], None]], choose: Callable[[int], tuple[int, bool]]) -> None:
    """Do them all; `choose` says of how many living ones which is next, and whether it is killed there."""
    actors = [_Actor(act) for act in acts]
    while living := [actor for actor in actors if not actor.done]:
        place, cut = choose(len(living))
        living[place].step(cut=cut)
    for actor in actors:
        if actor.error is not None:
            raise actor.error


class PausingStore(DirectoryStore):
    """A store that pauses before every request."""

    def __init__(self, root: Path, pause: Pause) -> None:
        super().__init__(root)
        self._pause = pause

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """See Store."""
        self._pause()
        return super().get(key, limit=limit)

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """See Store."""
        self._pause()
        super().put(key, data, content_type=content_type)

    def list(
        self, prefix: str = "", *, limit: int | None = None, wanted: Callable[[str], bool] = every
    ) -> Iterator[ObjectInfo]:
        """See Store."""
        self._pause()
        return super().list(prefix, limit=limit, wanted=wanted)

    def folders(self, prefix: str = "") -> Sequence[str]:
        """See Store."""
        self._pause()
        return super().folders(prefix)

    def delete(self, key: str) -> None:
        """See Store."""
        self._pause()
        super().delete(key)

    def upload(self, key: str, path: Path) -> None:
        """See Store."""
        self._pause()
        super().upload(key, path)

    def download(self, key: str, path: Path) -> None:
        """See Store."""
        self._pause()
        super().download(key, path)
