"""From a spec's storage block to open stores: whose keys, and for what.

    secretRef                       the keys in that Secret of the namespace, for whatever the spec names
    none, the chart's own storage   the operator's identity, for the namespace's own folder of that storage alone
    none, another storage           nobody's: what is public

A spec decides where requests go. The operator's identity is therefore used for nothing that a spec has chosen.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from finetune_core.api import Storage
from finetune_core.json_types import Json
from finetune_operator.cluster import Cluster
from finetune_operator.telemetry.metering import MeteredStore
from finetune_store import S3Connection, Store, creates_once, open_store
from finetune_work.credentials import reaching, with_keys

_RETRY_SECONDS = 2.0
"""The operator looks again later rather than keep a worker waiting."""

_TIMEOUT_SECONDS = 10.0
_MAX_CONNECTIONS = 64
_MAX_STORES = 64
_CHECKED_SECONDS = 300.0


class StorageConnector:
    """Opens stores for experiments; those with the same keys share one connection.

    A client costs a TLS context and a pool of connections, so the most recently used ones are kept. `own` is the
    storage that the administrator gave the operator, `environ` the variables that its identity is in.
    """

    def __init__(
        self,
        cluster: Cluster,
        on_request: Callable[[str], None] = lambda _operation: None,
        *,
        own: Storage | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._cluster = cluster
        self._on_request = on_request
        self._own = own
        self._environ = environ
        self._connections: OrderedDict[tuple[S3Connection, str], Connection] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Forget the connections."""
        with self._lock:
            self._connections.clear()

    def connect(self, namespace: str, storage: Storage) -> "Connection":
        """Credentials and endpoint of a storage block; InvalidInputError if Secret or ConfigMap are missing."""
        objects = _Namespace(self._cluster, namespace)
        if storage.secret_ref is None and storage == self._own:
            home = f"{storage.uri}/{namespace}/"
            return self._shared(reaching(_identity(self._environ), objects, storage), home)
        public = reaching(S3Connection(), objects, storage)
        return self._shared(with_keys(public, objects, storage.secret_ref) if storage.secret_ref else public)

    def _shared(self, wanted: S3Connection, home: str = "") -> "Connection":
        with self._lock:
            key = (wanted, home)
            connection = self._connections.setdefault(key, Connection(wanted, self._on_request, home))
            self._connections.move_to_end(key)
            if len(self._connections) > _MAX_CONNECTIONS:
                self._connections.popitem(last=False)
            return connection


@dataclass(frozen=True)
class _Namespace:
    """Secrets and ConfigMaps, as finetune_work reads them."""

    cluster: Cluster
    namespace: str

    def secret(self, name: str) -> Json | None:
        return self.cluster.get_secret(self.namespace, name)

    def config_map(self, name: str) -> Json | None:
        return self.cluster.get_config_map(self.namespace, name)


@dataclass(frozen=True)
class Ready:
    """A store that answers; `once`: what is created in it is created only once."""

    store: Store
    once: bool


def _identity(environ: Mapping[str, str]) -> S3Connection:
    """The operator's own keys or role; never its node's, which every pod there could use."""
    return S3Connection.from_env(environ)


class Connection:
    """Opens any s3:// URI with one set of credentials; thread-safe.

    Where there is a `home`, the credentials are the operator's own: URIs that users write are opened with them below
    `home`, and with nobody's elsewhere.
    """

    def __init__(self, connection: S3Connection, on_request: Callable[[str], None], home: str = "") -> None:
        self._connection = connection
        self._on_request = on_request
        self._home = home
        self._stores: OrderedDict[tuple[str, S3Connection], Store] = OrderedDict()
        self._checked: dict[tuple[str, str], float] = {}
        self._answered: dict[str, float] = {}
        self._created_once: dict[tuple[str, str], tuple[bool, float]] = {}
        self._lock = threading.Lock()

    def open(self, uri: str) -> Store:
        """The store of results; nothing is sent yet."""
        return self._open(uri, self._connection)

    def open_input(self, uri: str) -> Store:
        """A store at a URI that a user wrote; nothing is sent yet."""
        if f"{uri}/".startswith(self._home):
            return self._open(uri, self._connection)
        return self._open(uri, self._connection.anonymous())

    def _open(self, uri: str, connection: S3Connection) -> Store:
        key = (uri, connection)
        with self._lock:
            if key not in self._stores:
                store = open_store(
                    uri, connection=connection, retry_seconds=_RETRY_SECONDS, timeout_seconds=_TIMEOUT_SECONDS
                )
                self._stores[key] = MeteredStore(store, self._on_request)
            self._stores.move_to_end(key)
            if len(self._stores) > _MAX_STORES:
                self._stores.popitem(last=False)
            return self._stores[key]

    def ready(self, uri: str, folder: str, *, prove: bool, seconds: float) -> "Ready":
        """The store of results once it has answered (see `probe`), and what it guarantees; StoreError.

        `prove`: that the folder can be written and read too, as before anything is begun.
        """
        if prove:
            self.check(uri, folder)
        self.probe(uri, folder, seconds)
        return Ready(self.open(uri), self.creates_once(uri, folder))

    def probe(self, uri: str, folder: str, seconds: float) -> None:
        """Find out whether a store is away, unless it has answered a short while ago; StoreError.

        A look whose phase needs nothing of the store says so too; all looks at one store share the question.
        """
        now = time.monotonic()
        if now - self._answered.get(uri, -seconds) >= seconds:
            self.open(uri).stat(f"{folder}/plan.json")
            self._answered[uri] = now

    def check(self, uri: str, folder: str) -> None:
        """Prove that a folder can be written and read, unless it has been proved a short while ago; StoreError."""
        now = time.monotonic()
        if now - self._checked.get((uri, folder), -_CHECKED_SECONDS) < _CHECKED_SECONDS:
            return
        self.open(uri).check(folder)
        self._checked[uri, folder] = now

    def creates_once(self, uri: str, folder: str) -> bool:
        """Whether what is created in a folder is created only once; StoreError.

        Found out by doing it, once; where it is not so, again after a while: the server may be mended.
        """
        now = time.monotonic()
        found, asked = self._created_once.get((uri, folder), (False, -_CHECKED_SECONDS))
        if not found and now - asked >= _CHECKED_SECONDS:
            found = creates_once(self.open(uri), folder)
            self._created_once[uri, folder] = found, now
        return found
