"""What a storage block is reached with: the keys in its Secret, the authorities in its ConfigMap.

Both lie in the namespace of the object that has the block, and are read by the rights of whoever asks: the operator, or
a person. Of a Secret only the keys are taken, as pods take them: where requests go, or that there is a workload's
identity to use, is nothing that a Secret may say.
"""

import base64
import binascii
import re
from dataclasses import replace
from typing import Protocol

from finetune_core.api import ConfigMapKeyRef, SecretRef, Storage
from finetune_core.json_types import Json
from finetune_core.problems import InvalidInputError, Problem
from finetune_store import S3Connection

KEYS = {"AWS_ACCESS_KEY_ID": True, "AWS_SECRET_ACCESS_KEY": True, "AWS_SESSION_TOKEN": False}
"""What is taken from a Secret -> whether it must be there."""

_MOST_CHARACTERS = 512 << 10
"""Of a bundle of authorities: those of a whole system have about 220 KiB."""


_KEY = re.compile(r"[!-~]{1,8192}")
"""Printable ASCII, which headers take; session tokens of AWS have some 2,000 characters."""


class CredentialObjects(Protocol):
    """Secrets and ConfigMaps of one namespace."""

    @property
    def namespace(self) -> str:
        """Its name."""
        ...

    def secret(self, name: str) -> Json | None:
        """The Secret, or None."""
        ...

    def config_map(self, name: str) -> Json | None:
        """The ConfigMap, or None."""
        ...


def with_keys(connection: S3Connection, objects: CredentialObjects, reference: SecretRef) -> S3Connection:
    """The connection with the keys of a Secret, and no identity else.

    InvalidInputError says what the Secret lacks; and whatever `objects` raises.
    """
    keys = _keys(objects, reference.name)
    return replace(
        connection,
        access_key=keys["AWS_ACCESS_KEY_ID"],
        secret_key=keys["AWS_SECRET_ACCESS_KEY"],
        session_token=keys["AWS_SESSION_TOKEN"] or None,
        workload_identity=False,
    )


def reaching(connection: S3Connection, objects: CredentialObjects, storage: Storage) -> S3Connection:
    """The connection to the storage's server in place of its own; InvalidInputError without the ConfigMap."""
    authorities = _authorities(objects, storage.ca_bundle) if storage.ca_bundle else None
    return replace(
        connection,
        endpoint=storage.endpoint,
        region=storage.region or connection.region,
        ca_bundle=None,
        authorities=authorities,
    )


def _keys(objects: CredentialObjects, name: str) -> dict[str, str]:
    secret = objects.secret(name)
    if secret is None:
        remedy = "create it with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise _unusable("secretRef", f"Secret {name} is not in namespace {objects.namespace}: {remedy}")
    data = secret.get("data") or {}
    keys = {key: _decoded(data.get(key) or "") for key in KEYS}
    missing = [key for key, needed in KEYS.items() if needed and not keys[key]]
    if missing:
        raise _unusable("secretRef", f"Secret {name} lacks {', '.join(missing)}: add it to its data")
    odd = [key for key, value in keys.items() if value and not _KEY.fullmatch(value)]
    if odd:
        # Libraries show the whole header that they cannot send: the key would be in the status.
        remedy = "write it as the server gave it, on one line and without spaces"
        raise _unusable("secretRef", f"{', '.join(odd)} in Secret {name} is no key: {remedy}")
    return keys


def _decoded(value: str) -> str:
    try:
        # A final newline is what `kubectl create secret --from-file` leaves, never part of a key.
        return base64.b64decode(value).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _authorities(objects: CredentialObjects, reference: ConfigMapKeyRef) -> str:
    name, key, namespace = reference.name, reference.key, objects.namespace
    config_map = objects.config_map(name)
    if config_map is None:
        remedy = f"create it with the certificates under the key {key}"
        raise _unusable("caBundle", f"ConfigMap {name} is not in namespace {namespace}: {remedy}")
    text: str = (config_map.get("data") or {}).get(key) or ""
    if not text:
        remedy = "add the certificates under it"
        raise _unusable("caBundle", f"ConfigMap {name} in namespace {namespace} has no key {key}: {remedy}")
    if len(text) > _MOST_CHARACTERS:
        remedy = "keep the authorities that signed the endpoint's certificate"
        raise _unusable("caBundle", f"ConfigMap {name}, key {key} has more than {_MOST_CHARACTERS:,} bytes: {remedy}")
    return text


def _unusable(field: str, message: str) -> InvalidInputError:
    return InvalidInputError((Problem(f"spec.storage.{field}", message),))
