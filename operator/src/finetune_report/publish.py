"""Writing a report so that it is never taken for whole when it is not."""

import hashlib
from contextlib import suppress

from pydantic import ValidationError

from finetune_core.layout import ExperimentLayout
from finetune_core.results_schema import ResultsDocument
from finetune_report.errors import OvertakenError
from finetune_store import NotFoundError, Store

_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "md": "text/markdown; charset=utf-8",
    "tsv": "text/tab-separated-values",
    "zip": "application/zip",
}


class Publication:
    """One writing of a report: the old one stops counting at `begin`, the new one counts from `finish`."""

    def __init__(self, store: Store, layout: ExperimentLayout) -> None:
        self._store = store
        self._layout = layout
        self._files: dict[str, str] = {}

    def begin(self) -> None:
        """Take the marker of completeness away, before anything else changes."""
        self._store.delete(self._layout.results("json"))

    def write(self, key: str, content: bytes) -> None:
        """Write a file of the report."""
        self._store.put(key, content, content_type=_TYPES[key.rpartition(".")[2]])
        self._files[key.removeprefix(f"{self._layout.root}/")] = hashlib.sha256(content).hexdigest()

    def finish(self, document: ResultsDocument) -> ResultsDocument:
        """Remove what earlier reports left and this one lacks, write results.json, and look whether all is as written.

        Raises OvertakenError if another report was written at the same time; the report then does not count.
        """
        for key in self._leftovers():
            self._store.delete(key)
        whole = document.model_copy(update={"files": dict(sorted(self._files.items()))})
        marker = self._layout.results("json")
        self._store.put(marker, whole.to_json(), content_type=_TYPES["json"])
        if not is_intact(self._store, self._layout, whole):
            self._withdraw(whole)
            raise OvertakenError(
                f"another report was written to {document.uri} at the same time; this one is withdrawn and made again"
            )
        return whole

    def _withdraw(self, document: ResultsDocument) -> None:
        """Take our results.json away. One of another process stays: we wrote nothing after it, so it can be trusted."""
        marker = self._layout.results("json")
        with suppress(NotFoundError):
            if self._store.get(marker) == document.to_json():
                self._store.delete(marker)

    def _leftovers(self) -> list[str]:
        below = f"{self._layout.root}/"
        best = [info.key for info in self._store.list(f"{self._layout.root}/best")]
        optional = [self._layout.submission, self._layout.submission_manifest]
        return [key for key in (*best, *optional) if key.removeprefix(below) not in self._files]


def is_intact(store: Store, layout: ExperimentLayout, document: ResultsDocument) -> bool:
    """Whether every file of a report, results.json too, still is as it was written."""
    try:
        return store.get(layout.results("json")) == document.to_json() and all(
            hashlib.sha256(store.get(f"{layout.root}/{name}")).hexdigest() == digest
            for name, digest in document.files.items()
        )
    except NotFoundError:
        return False


def current_report(store: Store, layout: ExperimentLayout, digest: str) -> ResultsDocument | None:
    """The report in the store, if it is whole and was made from what `digest` stands for."""
    try:
        document = ResultsDocument.model_validate_json(store.get(layout.results("json")))
    except (NotFoundError, ValidationError):
        return None
    return document if document.report_digest == digest and is_intact(store, layout, document) else None
