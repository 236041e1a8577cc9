"""Who looks, and so by whose rights the cluster is asked."""

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Protocol

from finetune_client.errors import RefusedError
from finetune_client.kube.client import connect_as
from finetune_ui.sources import ClusterSource, Source

COOKIE = "finetune-token"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Where TLS is on: browsers take it from this very host alone, never from a neighbour in its domain.

https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
"""

_VIEWERS = 200
_VIEWER_SECONDS = 900


class Viewers(Protocol):
    """From the token of a request, None where it has none, to what its sender may see."""

    @property
    def sign_in(self) -> bool:
        """Whether one has to sign in."""

    def source(self, token: str | None) -> Source:
        """What may be seen; NotSignedInError, FinetuneError."""


class NotSignedInError(RefusedError):
    """A request without a token, where one is needed."""


@dataclass(frozen=True)
class OneViewer:
    """The page is for whoever started it: everything is asked by their own rights."""

    own: Source
    sign_in: bool = False

    def source(self, token: str | None) -> Source:
        """See Viewers."""
        return self.own


@dataclass
class ByToken:
    """Everybody brings a token of their own; this process has no rights, and no keys, of its own.

    `server` and `ca`: see `connect_as`.
    """

    namespace: str | None = None
    server: str | None = None
    ca: Path | None = None
    sign_in: bool = True
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[str, tuple[float, ClusterSource]] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def source(self, token: str | None) -> Source:
        """See Viewers. The API decides at each request whether the token is still good."""
        if not token:
            raise NotSignedInError("you are not signed in", "Sign in with a token of the cluster.")
        key = hashlib.sha256(token.encode()).hexdigest()
        now = self.clock()
        with self._lock:
            since, known = self._known.pop(key, (now, None))
            if known is None or now - since > _VIEWER_SECONDS:
                since, known = now, self._new(token)
            self._known[key] = (since, known)
            while len(self._known) > _VIEWERS:
                self._known.popitem(last=False)
        return known

    def _new(self, token: str) -> ClusterSource:
        kube = connect_as(token, self.namespace, server=self.server, ca=self.ca)
        # With variables of this process (a proxy's keys, say) a viewer could read what is not theirs.
        return ClusterSource(kube, everywhere=True, environ={})


def in_cluster_api() -> tuple[str, Path]:
    """Address and certificate authority of the API as pods have them; KeyError outside of a cluster."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    authority = Path(os.environ.get("FINETUNE_UI_CA", "/var/run/finetune/ca.crt"))
    return f"https://{f'[{host}]' if ':' in host else host}:{port}", authority
