"""A store that counts its requests, so that /metrics shows what the operator costs the object store."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from finetune_store import ObjectInfo, Store, every

READS = frozenset({"get", "stat", "list", "download"})
"""Operations that change nothing."""


class MeteredStore:
    """Does what the inner store does (see Store); `on_request` is told each operation's name, and may refuse it."""

    def __init__(self, inner: Store, on_request: Callable[[str], None]) -> None:
        self._inner = inner
        self._on_request = on_request

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """See Store."""
        self._on_request("get")
        return self._inner.get(key, limit=limit)

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """See Store."""
        self._on_request("put")
        self._inner.put(key, data, content_type=content_type)

    def create(self, key: str, data: bytes) -> bool:
        """See Store."""
        self._on_request("create")
        return self._inner.create(key, data)

    def stat(self, key: str) -> ObjectInfo | None:
        """See Store."""
        self._on_request("stat")
        return self._inner.stat(key)

    def list(
        self, prefix: str = "", *, limit: int | None = None, wanted: Callable[[str], bool] = every
    ) -> Iterator[ObjectInfo]:
        """See Store."""
        self._on_request("list")
        return self._inner.list(prefix, limit=limit, wanted=wanted)

    def folders(self, prefix: str = "") -> Sequence[str]:
        """See Store."""
        self._on_request("list")
        return self._inner.folders(prefix)

    def delete(self, key: str) -> None:
        """See Store."""
        self._on_request("delete")
        self._inner.delete(key)

    def upload(self, key: str, path: Path) -> None:
        """See Store."""
        self._on_request("upload")
        self._inner.upload(key, path)

    def download(self, key: str, path: Path) -> None:
        """See Store."""
        self._on_request("download")
        self._inner.download(key, path)

    def copy(self, source: str, key: str) -> None:
        """See Store."""
        self._on_request("copy")
        self._inner.copy(source, key)

    def uri(self, key: str = "") -> str:
        """See Store."""
        return self._inner.uri(key)

    def check(self, folder: str = "") -> None:
        """See Store."""
        self._on_request("check")
        self._inner.check(folder)
