"""From a spec's storage block to an open store: credentials from the Secret, the CA from the ConfigMap."""

import base64
import tempfile
from collections.abc import Mapping
from pathlib import Path

from finetune_core.problems import InvalidInputError, Problem
from finetune_core.spec import ConfigMapKeyRef, SecretRef, Storage
from finetune_operator.cluster import Cluster
from finetune_store import S3Connection, Store, open_store

_RETRY_SECONDS = 2.0
"""The operator looks again later rather than keep a worker waiting."""


class StorageConnector:
    """Opens stores for experiments; certificates are kept as files below a temporary folder."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._folder = tempfile.TemporaryDirectory(prefix="finetune-ca-")

    def connect(self, namespace: str, storage: Storage) -> "Connection":
        """Credentials and endpoint of a storage block; InvalidInputError if Secret or ConfigMap are missing."""
        env: dict[str, str] = {}
        if storage.secret_ref:
            env |= self._secret(namespace, storage.secret_ref)
        if storage.endpoint:
            env["AWS_ENDPOINT_URL"] = storage.endpoint
        if storage.region:
            env["AWS_REGION"] = storage.region
        if storage.ca_bundle:
            env["AWS_CA_BUNDLE"] = str(self._ca_file(namespace, storage.ca_bundle))
        return Connection(S3Connection.from_env(env))

    def _secret(self, namespace: str, reference: SecretRef) -> Mapping[str, str]:
        secret = self._cluster.get_secret(namespace, reference.name)
        field = "spec.storage.secretRef"
        if secret is None:
            remedy = "create it with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            problem = f"Secret {reference.name} is not in namespace {namespace}: {remedy}"
            raise InvalidInputError((Problem(field, problem),))
        data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        missing = [key for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not data.get(key)]
        if missing:
            raise InvalidInputError((Problem(field, f"Secret {reference.name} lacks {', '.join(missing)}"),))
        return {key: value for key, value in data.items() if key.startswith("AWS_")}

    def _ca_file(self, namespace: str, reference: ConfigMapKeyRef) -> Path:
        config_map = self._cluster.get_config_map(namespace, reference.name)
        text = ((config_map or {}).get("data") or {}).get(reference.key)
        if not text:
            problem = f"ConfigMap {reference.name} in namespace {namespace} has no key {reference.key}"
            raise InvalidInputError((Problem("spec.storage.caBundle", problem),))
        path = Path(self._folder.name) / f"{namespace}.{reference.name}.{reference.key}.pem"
        path.write_text(text)
        return path


class Connection:
    """Opens any s3:// URI with one set of credentials."""

    def __init__(self, connection: S3Connection) -> None:
        self._connection = connection

    def open(self, uri: str) -> Store:
        """A store below the URI; nothing is sent yet."""
        return open_store(uri, connection=self._connection, retry_seconds=_RETRY_SECONDS)
