"""From a URI to a store."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from finetune_store._directory import DirectoryStore
from finetune_store._errors import InvalidConfigurationError
from finetune_store._model import Store
from finetune_store._s3.connection import S3Connection
from finetune_store._s3.store import S3Store

RETRY_SECONDS = 30.0
TIMEOUT_SECONDS = 30.0
POD_RETRY_SECONDS = 900.0
"""How long a pod of ours waits for a store that is away before it ends and is tried again."""


def open_store(
    uri: str,
    *,
    connection: S3Connection | None = None,
    retry_seconds: float = RETRY_SECONDS,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Store:
    """The store at s3://bucket/prefix or file:///folder. Nothing is sent or made yet (see Store.check).

    connection: default: as the process's AWS_* variables say. Transient errors are retried for `retry_seconds` a
    request (0: never); no single wait for the network is longer than `timeout_seconds`, in which 16 MiB must pass.
    InvalidConfigurationError, InvalidKeyError (prefix), InvalidCredentialsError (half a pair of keys).
    """
    scheme, separator, rest = uri.partition("://")
    if separator and scheme == "file":
        return DirectoryStore(local_folder(uri))
    if separator and scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        return S3Store(
            bucket,
            prefix,
            connection or S3Connection.from_env(os.environ),
            retry_seconds=retry_seconds,
            timeout_seconds=timeout_seconds,
        )
    raise InvalidConfigurationError(f"{uri!r} is no store: write s3://bucket/prefix or file:///folder")


def local_folder(uri: str) -> Path:
    """The folder of a file:// URI, the reverse of Path.as_uri; InvalidConfigurationError for one that names none."""
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or not path.startswith("/") or parts.query or parts.fragment:
        raise InvalidConfigurationError(
            f"{uri!r} is no folder: write file:///absolute/path, with %23 for # and %3F for ?"
        )
    return Path(path)
