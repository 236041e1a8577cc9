"""Where a notification goes and what signs it: addresses and secrets of the object's namespace, hosts of the chart.

No message holds an address that comes from a Secret, or a part of it: messages are read by whoever may see the object.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from finetune_core.api.notifications import Notification, SecretKeyRef
from finetune_core.json_types import Json
from finetune_core.notifying.addresses import AllowedHost, Target, rule_for, target_of
from finetune_core.problems import InvalidInputError, Problem
from finetune_store import is_proxied

ReadSecret = Callable[[str], Json | None]
"""The Secret of that name in the object's namespace, or None."""


class NoSuchValueError(InvalidInputError):
    """A Secret, or a key in it, that a notification needs is not there."""


@dataclass(frozen=True)
class Destination:
    """Where to send to, and the administrator's rule that lets it; `proxied`: a proxy looks the host up."""

    target: Target
    rule: AllowedHost
    proxied: bool

    @property
    def url(self) -> str:
        """Made of the parts that were checked, so that nobody reads another host in it."""
        return f"{self.target.scheme}://{self.target.host}:{self.target.port}{self.target.path}"


def destination(one: Notification, read: ReadSecret, allowed: tuple[AllowedHost, ...]) -> Destination:
    """Where a notification goes; InvalidInputError says why nowhere (NoSuchValueError: what is missing).

    And whatever `read` raises.
    """
    place = f"spec.notifications[{one.name}]"
    if one.url_secret_ref is not None:
        field = f"{place}.urlSecretRef"
        target = target_of(_value(one.url_secret_ref, read, field).decode(errors="replace"))
        host, named = f"the host of the address in Secret {one.url_secret_ref.name}", one.url_secret_ref.key
        if target is None:
            message = f"key {named} of Secret {one.url_secret_ref.name} holds no address: write https://HOST/PATH"
            raise _unusable(field, message)
    else:
        field = f"{place}.url"
        target = target_of(one.url or "")
        if target is None:
            raise _unusable(field, "it is no address: write https://HOST/PATH")
        host = f"{target.scheme}://{target.host}:{target.port}"
    return _checked(target, allowed, field, host)


def signing_secret(one: Notification, read: ReadSecret) -> bytes | None:
    """What signs it, if anything; NoSuchValueError without the Secret or its key, and whatever `read` raises."""
    if one.signing_secret_ref is None:
        return None
    return _value(one.signing_secret_ref, read, f"spec.notifications[{one.name}].signingSecretRef")


def _checked(target: Target, allowed: tuple[AllowedHost, ...], field: str, host: str) -> Destination:
    rule = rule_for(target, allowed)
    if rule is None:
        remedy = "ask your administrator to add it to the chart's value notifications.allowedHosts"
        raise _unusable(field, f"{host} is none that the operator may send to: {remedy}")
    proxied = is_proxied(f"{target.scheme}://{target.host}:{target.port}/")
    if proxied and not rule.is_named:
        # Nobody here sees which address the proxy connects to.
        remedy = "ask your administrator to name it in the chart's value notifications.allowedHosts"
        raise _unusable(field, f"{host} is reached through a proxy, for which a pattern does not count: {remedy}")
    return Destination(target, rule, proxied)


def _value(reference: SecretKeyRef, read: ReadSecret, field: str) -> bytes:
    secret = read(reference.name)
    if secret is None:
        message = f"Secret {reference.name} is not in the namespace: create it with the key {reference.key}"
        raise NoSuchValueError((Problem(field, message),))
    encoded = (secret.get("data") or {}).get(reference.key) or ""
    try:
        # A final newline is what `kubectl create secret --from-file` leaves.
        value = base64.b64decode(encoded).rstrip(b"\r\n")
    except binascii.Error:
        value = b""
    if not value:
        message = f"Secret {reference.name} has nothing under the key {reference.key}: add it to its data"
        raise NoSuchValueError((Problem(field, message),))
    return value


def _unusable(field: str, message: str) -> InvalidInputError:
    return InvalidInputError((Problem(field, message),))
