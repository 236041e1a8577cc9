"""What the page has read from stores and may need again, up to so many bytes for all viewers together."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

_LARGEST_PART = 8


class Remembered:
    """Contents by key: those that were used last, together at most `capacity` bytes; thread-safe."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: Hashable, read: Callable[[], bytes]) -> bytes:
        """The content of that key, read where it is not remembered; one of an eighth of all or more never is."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        content = read()
        if len(content) * _LARGEST_PART < self._capacity:
            self._keep(key, content)
        return content

    def _keep(self, key: Hashable, content: bytes) -> None:
        with self._lock:
            self._size += len(content) - len(self._kept.pop(key, b""))
            self._kept[key] = content
            while self._size > self._capacity:
                self._size -= len(self._kept.popitem(last=False)[1])
