"""A store in memory that can be away."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from finetune_store import NotFoundError, ObjectInfo, every
from finetune_store._errors import UnreachableError

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


DAMAGES = (b"", b"{", b"{}")
"""What lies where a result was."""


class MemoryStore:
    """As much of a store as observers, runs and reports ask for."""

    def __init__(self) -> None:
        self.away = False
        self._objects: dict[str, tuple[bytes, datetime]] = {}
        self._writes = 0

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        self._ask()
        if key not in self._objects:
            raise NotFoundError(key)
        return self._objects[key][0]

    def put(self, key: str, data: bytes, *, content_type: str = "") -> None:
        self._ask()
        assert not self._is_result(key), f"the result {key} is written again"
        self.damage(key, data)

    def damage(self, key: str, data: bytes) -> None:
        """Write whatever is there, as nobody does who means well."""
        self._writes += 1
        self._objects[key] = data, _BEGIN + timedelta(seconds=self._writes)

    def _is_result(self, key: str) -> bool:
        return key.endswith("/result.json") and self._objects.get(key, (b"",))[0] not in DAMAGES

    def create(self, key: str, data: bytes) -> bool:
        self._ask()
        if key in self._objects:
            return False
        self.put(key, data)
        return True

    def delete(self, key: str) -> None:
        self._ask()
        self._objects.pop(key, None)

    def list(
        self, prefix: str = "", *, limit: int | None = None, wanted: Callable[[str], bool] = every
    ) -> Iterator[ObjectInfo]:
        self._ask()
        found = sorted(key for key in self._objects if key.startswith(f"{prefix}/") and wanted(key))
        return iter([ObjectInfo(key, len(self._objects[key][0]), None, self._objects[key][1]) for key in found])

    def folders(self, prefix: str = "") -> Sequence[str]:
        self._ask()
        inside = (key.removeprefix(f"{prefix}/") for key in sorted(self._objects) if key.startswith(f"{prefix}/"))
        return list(dict.fromkeys(name for name, slash, _ in (key.partition("/") for key in inside) if slash))

    def uri(self, key: str = "") -> str:
        return f"memory:///{key}"

    def _ask(self) -> None:
        if self.away:
            raise UnreachableError("the store does not answer")
