"""A folder of a bucket as a place that models are published to; AWS_* variables say how it is reached."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune_client.errors import NotFoundError, RefusedError, UnreachableError, UsageError
from finetune_core.publishing.facts import Facts
from finetune_core.publishing.provenance import PROVENANCE
from finetune_publish.places import Options, Pushed
from finetune_publish.sums import sums
from finetune_store import (
    InvalidConfigurationError,
    S3Connection,
    Store,
    StoreError,
    TooManyObjectsError,
    download_tree,
    open_store,
)
from finetune_store import NotFoundError as NoSuchObjectError

_MOST_FILES = 10_000
_SERVED_WITH_KEYS = "KServe needs a service account with keys of the bucket"


class BucketPlace:
    """See `places.Place`. What has no provenance.json is not whole: it goes first, and comes last."""

    def __init__(self, uri: str, store: Store, options: Options) -> None:
        self._uri = uri
        self._store = store
        self._options = options

    @property
    def load_from(self) -> str:
        """See Place."""
        return "FOLDER"

    def require_writable(self) -> None:
        """See Place."""
        there = self._files()
        if there and PROVENANCE not in there and not self._options.replace:
            raise RefusedError(
                f"{self._uri} has files that no model was published with",
                "They would be deleted: name another folder; or --replace.",
            )

    def push(self, folder: Path, facts: Facts) -> Pushed:
        """See Place."""
        del facts
        files, before = sums(folder), self._files()
        with self._told():
            if PROVENANCE in before:
                self._store.delete(PROVENANCE)
            for name in sorted(files.keys() - {PROVENANCE}):
                self._store.upload(name, folder / name)
            for name in sorted(before - files.keys()):
                self._store.delete(name)
            self._store.upload(PROVENANCE, folder / PROVENANCE)
        return Pushed(self._uri, self._uri, _SERVED_WITH_KEYS)

    def fetch(self, scratch: Path) -> Path:
        """See Place."""
        with self._told():
            download_tree(self._store, "", scratch)
        return scratch

    def _files(self) -> frozenset[str]:
        with self._told():
            return frozenset(info.key for info in self._store.list(limit=_MOST_FILES))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the store says, as an error of ours."""
        try:
            yield
        except NoSuchObjectError as error:
            raise NotFoundError(f"there is nothing at {self._uri}", "Check the path.") from error
        except TooManyObjectsError as error:
            raise RefusedError(f"{self._uri} has more files than any model: {error}", "Name another folder.") from error
        except StoreError as error:
            if error.transient:
                raise UnreachableError(f"{self._uri} cannot be reached: {error}", "Try again later.") from error
            raise RefusedError(
                f"{self._uri}: {error}", "Check the path, and your keys' right to write there."
            ) from error


def open_place(uri: str, options: Options) -> BucketPlace:
    """A folder of a bucket by its URI; UsageError."""
    uri = uri.rstrip("/")
    if not uri.removeprefix("s3://").partition("/")[2]:
        raise UsageError(f"{uri} is a whole bucket", "Write s3://BUCKET/FOLDER.")
    try:
        store = open_store(uri, connection=S3Connection.from_env(os.environ))
    except InvalidConfigurationError as error:
        raise UsageError(f"{uri}: {error}", "Write s3://BUCKET/FOLDER.") from error
    return BucketPlace(uri, store, options)
