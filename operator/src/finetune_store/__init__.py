"""Objects in an S3 bucket or a plain folder, behind one protocol.

    store = open_store("s3://bucket/prefix", connection=S3Connection.from_env(os.environ))
    store.put("runs/rte/1/result.json", data)

The only package that knows minio. Errors are StoreErrors by kind; what may pass by itself is retried in here.
"""

from finetune_store._deadline import RefusedAddressError, bounded_pool, connecting_only_to, deadline
from finetune_store._directory import DirectoryStore
from finetune_store._errors import (
    AccessDeniedError,
    DeadlineError,
    InvalidConfigurationError,
    InvalidCredentialsError,
    InvalidKeyError,
    NoSuchBucketError,
    NotFoundError,
    OfTheStoreError,
    StoreError,
    StoreFullError,
    TlsError,
    TooLargeError,
    TooManyObjectsError,
    UnexpectedAnswerError,
    UnreachableError,
    UnreadableError,
    UnsupportedError,
    WrongRegionError,
)
from finetune_store._files import file_md5, file_sha256
from finetune_store._keys import join, relative_key
from finetune_store._model import ObjectInfo, Store, every
from finetune_store._open import POD_RETRY_SECONDS, RETRY_SECONDS, local_folder, open_store
from finetune_store._proxy import is_proxied
from finetune_store._s3.connection import S3Connection
from finetune_store._trees import creates_once, delete_tree, download_tree, upload_tree

__all__ = [
    "POD_RETRY_SECONDS",
    "RETRY_SECONDS",
    "AccessDeniedError",
    "DeadlineError",
    "DirectoryStore",
    "InvalidConfigurationError",
    "InvalidCredentialsError",
    "InvalidKeyError",
    "NoSuchBucketError",
    "NotFoundError",
    "ObjectInfo",
    "OfTheStoreError",
    "RefusedAddressError",
    "S3Connection",
    "Store",
    "StoreError",
    "StoreFullError",
    "TlsError",
    "TooLargeError",
    "TooManyObjectsError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "UnreadableError",
    "UnsupportedError",
    "WrongRegionError",
    "bounded_pool",
    "connecting_only_to",
    "creates_once",
    "deadline",
    "delete_tree",
    "download_tree",
    "every",
    "file_md5",
    "file_sha256",
    "is_proxied",
    "join",
    "local_folder",
    "open_store",
    "relative_key",
    "upload_tree",
]
