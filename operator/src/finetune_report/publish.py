"""Writing a report so that it is never taken for whole when it is not."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument
from finetune_core.results.search.summary import SearchSummary
from finetune_report.errors import OvertakenError
from finetune_store import NotFoundError, Store, UnreadableError
from finetune_store.documents import FILE_LIMIT, find_or_warn

_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "md": "text/markdown; charset=utf-8",
    "tsv": "text/tab-separated-values",
    "zip": "application/zip",
    "html": "text/html; charset=utf-8",
    "yaml": "application/yaml",
    "png": "image/png",
    "svg": "image/svg+xml",
}

_Document = TypeVar("_Document", ResultsDocument, SearchSummary)
"""What a report ends with: it holds the SHA-256 of every other file."""


class Publication:
    """One writing of a report: the old one stops counting at `begin`, the new one counts from `finish`.

    `marker` is the key that is taken away first and written last; below `folders`, and at the keys `optional`, nothing
    stays that this report does not write.
    """

    def __init__(
        self, store: Store, root: str, marker: str, *, folders: Sequence[str], optional: Sequence[str]
    ) -> None:
        self._store = store
        self._root = root
        self._marker = marker
        self._folders = folders
        self._optional = optional
        self._files: dict[str, str] = {}

    def begin(self) -> None:
        """Take the marker of completeness away, before anything else changes."""
        self._store.delete(self._marker)

    def write(self, key: str, content: bytes) -> None:
        """Write a file of the report."""
        put(self._store, key, content)
        self._files[key.removeprefix(f"{self._root}/")] = hashlib.sha256(content).hexdigest()

    def finish(self, document: _Document) -> _Document:
        """Remove what earlier reports left and this one lacks, write the marker, and look whether all is as written.

        Raises OvertakenError if another report was written at the same time; the report then does not count.
        """
        for key in self._leftovers():
            self._store.delete(key)
        whole = document.model_copy(update={"files": dict(sorted(self._files.items()))})
        put(self._store, self._marker, whole.to_json())
        if not is_intact(self._store, self._root, self._marker, whole):
            self._withdraw(whole.to_json())
            raise OvertakenError(
                f"another report was written to {document.uri} at the same time; this one is withdrawn and made again"
            )
        return whole

    def _withdraw(self, ours: bytes) -> None:
        """Take our marker away. One of another process stays: we wrote nothing after it, so it can be trusted."""
        with suppress(NotFoundError, UnreadableError):
            if self._store.get(self._marker, limit=FILE_LIMIT) == ours:
                self._store.delete(self._marker)

    def _leftovers(self) -> list[str]:
        below = f"{self._root}/"
        found = [info.key for folder in self._folders for info in self._store.list(folder)]
        return [key for key in (*found, *self._optional) if key.removeprefix(below) not in self._files]


def put(store: Store, key: str, content: bytes) -> None:
    """Write a file with the content type that its name stands for."""
    store.put(key, content, content_type=_TYPES[key.rpartition(".")[2]])


def is_intact(store: Store, root: str, marker: str, document: ResultsDocument | SearchSummary) -> bool:
    """Whether every file of a report, its marker too, still is as it was written."""
    try:
        return store.get(marker, limit=FILE_LIMIT) == document.to_json() and all(
            hashlib.sha256(store.get(f"{root}/{name}", limit=FILE_LIMIT)).hexdigest() == digest
            for name, digest in document.files.items()
        )
    except (NotFoundError, UnreadableError):
        return False


def current_report(store: Store, layout: ExperimentLayout, digest: str) -> ResultsDocument | None:
    """The report in the store, if it is whole and was made from what `digest` stands for."""
    marker = layout.results("json")
    document = find_or_warn(store, marker, ResultsDocument, layout.root)
    if document is None or document.report_digest != digest:
        return None
    return document if is_intact(store, layout.root, marker, document) else None
