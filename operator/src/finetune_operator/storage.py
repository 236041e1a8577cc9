"""From a spec's storage block to an open store: credentials from the Secret, the CA from the ConfigMap."""

import base64
import binascii
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

from finetune_core.problems import InvalidInputError, Problem
from finetune_core.spec import ConfigMapKeyRef, SecretRef, Storage
from finetune_operator.cluster import Cluster
from finetune_operator.metering import MeteredStore
from finetune_store import S3Connection, Store, open_store

_RETRY_SECONDS = 2.0
"""The operator looks again later rather than keep a worker waiting."""

_TIMEOUT_SECONDS = 10.0
_MAX_CONNECTIONS = 64
_MAX_STORES = 64
_CHECKED_SECONDS = 300.0


class StorageConnector:
    """Opens stores for experiments; those with the same keys share one connection.

    A client costs a TLS context and a pool of connections, so the most recently used ones are kept.
    """

    def __init__(self, cluster: Cluster, on_request: Callable[[str], None] = lambda _operation: None) -> None:
        self._cluster = cluster
        self._on_request = on_request
        self._connections: OrderedDict[S3Connection, Connection] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Forget the connections."""
        with self._lock:
            self._connections.clear()

    def connect(self, namespace: str, storage: Storage) -> "Connection":
        """Credentials and endpoint of a storage block; InvalidInputError if Secret or ConfigMap are missing."""
        env: dict[str, str] = {}
        if storage.secret_ref:
            env |= self._secret(namespace, storage.secret_ref)
        if storage.endpoint:
            env["AWS_ENDPOINT_URL"] = storage.endpoint
        if storage.region:
            env["AWS_REGION"] = storage.region
        authorities = self._authorities(namespace, storage.ca_bundle) if storage.ca_bundle else None
        # A path in a Secret is one of pods: here it would be one of the operator's own files.
        return self._shared(replace(S3Connection.from_env(env), ca_bundle=None, authorities=authorities))

    def _shared(self, wanted: S3Connection) -> "Connection":
        with self._lock:
            connection = self._connections.setdefault(wanted, Connection(wanted, self._on_request))
            self._connections.move_to_end(wanted)
            if len(self._connections) > _MAX_CONNECTIONS:
                self._connections.popitem(last=False)
            return connection

    def _secret(self, namespace: str, reference: SecretRef) -> Mapping[str, str]:
        secret = self._cluster.get_secret(namespace, reference.name)
        field = "spec.storage.secretRef"
        if secret is None:
            remedy = "create it with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            problem = f"Secret {reference.name} is not in namespace {namespace}: {remedy}"
            raise InvalidInputError((Problem(field, problem),))
        data = {key: _decoded(value) for key, value in (secret.get("data") or {}).items() if key.startswith("AWS_")}
        missing = [key for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not data.get(key)]
        if missing:
            problem = f"Secret {reference.name} lacks {', '.join(missing)}: add it to its data"
            raise InvalidInputError((Problem(field, problem),))
        return data

    def _authorities(self, namespace: str, reference: ConfigMapKeyRef) -> str:
        config_map = self._cluster.get_config_map(namespace, reference.name)
        text = ((config_map or {}).get("data") or {}).get(reference.key)
        if not text:
            problem = (
                f"ConfigMap {reference.name} is not in namespace {namespace}: create it with the certificates under "
                f"the key {reference.key}"
                if config_map is None
                else f"ConfigMap {reference.name} in namespace {namespace} has no key {reference.key}: add the "
                "certificates under it"
            )
            raise InvalidInputError((Problem("spec.storage.caBundle", problem),))
        return str(text)


def _decoded(value: str) -> str:
    try:
        # A final newline is what `kubectl create secret --from-file` leaves, never part of a key.
        return base64.b64decode(value).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


class Connection:
    """Opens any s3:// URI with one set of credentials; thread-safe."""

    def __init__(self, connection: S3Connection, on_request: Callable[[str], None]) -> None:
        self._connection = connection
        self._on_request = on_request
        self._stores: OrderedDict[str, Store] = OrderedDict()
        self._checked: dict[str, float] = {}
        self._lock = threading.Lock()

    def open(self, uri: str) -> Store:
        """A store below the URI; nothing is sent yet."""
        with self._lock:
            if uri not in self._stores:
                store = open_store(
                    uri, connection=self._connection, retry_seconds=_RETRY_SECONDS, timeout_seconds=_TIMEOUT_SECONDS
                )
                self._stores[uri] = MeteredStore(store, self._on_request)
            self._stores.move_to_end(uri)
            if len(self._stores) > _MAX_STORES:
                self._stores.popitem(last=False)
            return self._stores[uri]

    def check(self, uri: str) -> None:
        """Prove that the store can be written and read, unless it has been proved a short while ago; StoreError."""
        now = time.monotonic()
        if now - self._checked.get(uri, -_CHECKED_SECONDS) < _CHECKED_SECONDS:
            return
        self.open(uri).check()
        self._checked[uri] = now
