"""One attempt to have a receiver take a notification: bounded in time, without redirects, whose answer nobody reads."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3
from urllib3 import exceptions as network

from finetune_core.api.notifications import Notification, NotificationFormat
from finetune_core.json_types import Json
from finetune_core.notifying.addresses import AllowedHost
from finetune_core.notifying.bodies import About, body, signature
from finetune_core.notifying.outbox import Attempt
from finetune_core.problems import InvalidInputError
from finetune_core.times import written
from finetune_kube.errors import ClusterError
from finetune_operator.cluster import Cluster
from finetune_operator.notifying.destination import Destination, destination, signing_secret
from finetune_store import RefusedAddressError, bounded_pool, connecting_only_to, deadline

_SECONDS = 10.0
_WRONG_ADDRESS = frozenset({401, 403, 404, 405, 410})
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (
        RefusedAddressError,
        "its host has no address that the operator may connect to: patterns of notifications.allowedHosts are for "
        "public addresses, and no name may stand for the operator's own machine",
    ),
    (network.NameResolutionError, "its host name is not known: correct it"),
    (network.SSLError, "its certificate is none that the operator trusts, or is for another host: correct it"),
    (network.ProxyError, "the proxy on the way to it does not let the operator through: see the chart's value proxy"),
    (network.NewConnectionError, "it cannot be connected to: see whether it is well"),
    (network.TimeoutError, "it does not answer in time: see whether it is well"),
    (TimeoutError, "it does not answer in time: see whether it is well"),
    (Exception, "it broke the connection off, or answered with something that is no HTTP: see the receiver's log"),
)


@dataclass(frozen=True)
class Letter:
    """A notification on its way; `said` is the JSON object but for the time at which it is sent."""

    id: str
    about: About
    notification: Notification
    said: Json


class Sender:
    """Sends letters; thread-safe. `allowed` are the hosts that the administrator names."""

    def __init__(
        self,
        cluster: Cluster,
        allowed: tuple[AllowedHost, ...],
        *,
        http: urllib3.PoolManager | None = None,
        seconds: float = _SECONDS,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._allowed = allowed
        self._seconds = seconds
        self._utc_now = utc_now
        self._http = http or bounded_pool()

    def send(self, letter: Letter) -> Attempt:
        """Try once, and say what came of it; raises nothing that a receiver, a spec or a Secret may cause."""
        try:
            there = destination(letter.notification, self._read(letter), self._allowed)
            secret = signing_secret(letter.notification, self._read(letter))
        except InvalidInputError as error:
            return Attempt("; ".join(problem.message for problem in error.problems))
        except ClusterError as error:
            return Attempt(f"its Secret cannot be read: {error}")
        try:
            return _judged(self._post(letter, there, secret))
        except (network.HTTPError, OSError) as error:
            return Attempt(_in_words(error))

    def _read(self, letter: Letter) -> Callable[[str], Json | None]:
        return lambda name: self._cluster.get_secret(letter.about.namespace, name)

    def _post(self, letter: Letter, there: Destination, secret: bytes | None) -> int:
        sent = written(self._utc_now())
        content = body(letter.said, letter.notification.format, sent)
        with ExitStack() as bounds:
            bounds.enter_context(deadline(self._seconds))
            if not there.proxied:
                bounds.enter_context(connecting_only_to(there.rule.permits))
            answer = self._http.request(
                "POST",
                there.url,
                body=content,
                headers=_headers(letter, content, secret),
                timeout=urllib3.Timeout(self._seconds / 2, self._seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            # What it says is not read: it would be shown to whoever chose the address.
            answer.close()
        return answer.status


def _headers(letter: Letter, content: bytes, secret: bytes | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "finetune-operator"}
    if letter.notification.format == NotificationFormat.JSON:
        headers |= {"X-Finetune-Event": letter.said["event"], "X-Finetune-Delivery": letter.id}
    if secret is not None:
        headers["X-Finetune-Signature-256"] = signature(secret, content)
    return headers


def _judged(status: int) -> Attempt:
    if 200 <= status < 300:
        return Attempt()
    if 300 <= status < 400:
        return Attempt(f"it answered {status}, and redirects are not followed: write the address that it leads to")
    if status in _WRONG_ADDRESS:
        return Attempt(f"it answered {status}: check the address, and what the receiver wants to know senders by")
    return Attempt(f"it answered {status}: see the receiver's log")


def _in_words(error: network.HTTPError | OSError) -> str:
    """By the kind of the error alone: its text holds the address, which may be a secret."""
    return next(words for kind, words in _REASONS if isinstance(error, kind))
