"""A way from this machine to a Service that only the cluster can reach, as `kubectl port-forward` makes one."""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from finetune_client.endpoints import service_of
from finetune_client.errors import ClientError, NotFoundError
from finetune_client.kube.client import Kube
from finetune_core.json_types import Json
from finetune_kube.connect import ApiClient

_log = logging.getLogger(__name__)

_BLOCK = 1 << 16

_ways: dict[tuple[ApiClient, str], str] = {}
"""Those that are open, by endpoint and by whose rights they were made: nobody gets another's."""
_lock = threading.Lock()


class Stream(Protocol):
    """A connected socket, as far as it is used here."""

    def recv(self, size: int, /) -> bytes:
        """Some bytes; none at the end."""

    def sendall(self, data: bytes, /) -> None:
        """All of them."""

    def close(self) -> None:
        """End it."""


def reachable(kube: Kube, endpoint: str) -> str:
    """The endpoint; where it is a Service's name that this machine does not know, an address here that leads to it.

    The way lasts as long as the process, also when the Service's pod is replaced. Of http alone: a certificate would be
    for another name. ClientError where the Service is not there, or is not theirs to forward to.
    """
    named = service_of(endpoint)
    if named is None:
        return endpoint
    name, namespace = named
    with _lock:
        if (kube.api, endpoint) not in _ways:
            service = Service(Kube(kube.api, namespace), name, urlsplit(endpoint).port or 80)
            # What is wrong is told now, not by a connection that closes.
            service.pod()
            _ways[kube.api, endpoint] = f"http://127.0.0.1:{listen(service.connect)}"
    return _ways[kube.api, endpoint]


@dataclass(frozen=True)
class Service:
    """One port of a Service, by the pods behind it."""

    kube: Kube
    name: str
    port: int

    def pod(self) -> tuple[str, int]:
        """A pod that is ready, and its port; NotFoundError, RefusedError."""
        service = self.kube.service(self.name)
        ports = (service or {}).get("spec", {}).get("ports") or ()
        port = next((one for one in ports if one["port"] == self.port), None)
        if service is None or port is None:
            raise NotFoundError(f"Service {self.name} in namespace {self.kube.namespace} has no port {self.port}")
        selector = service["spec"].get("selector") or {}
        ready = next(filter(_ready, self.kube.pods(selector) if selector else ()), None)
        if ready is None:
            raise NotFoundError(f"no pod of Service {self.name} in namespace {self.kube.namespace} is ready", "Wait.")
        pod, target = ready["metadata"]["name"], port.get("targetPort", self.port)
        number = target if isinstance(target, int) else _named_port(target, ready)
        if number is None:
            raise NotFoundError(f"pod {pod} in namespace {self.kube.namespace} has no port {target}")
        return pod, number

    def connect(self) -> Stream:
        """A connection to it; ClientError."""
        pod, port = self.pod()
        stream: Stream = self.kube.forward(pod, port)
        return stream


def _ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _named_port(name: str, pod: Json) -> int | None:
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    return next((int(one["containerPort"]) for one in ports if one.get("name") == name), None)


def listen(connect: Callable[[], Stream]) -> int:
    """A port of this machine; each connection to it is joined with one of its own that `connect` makes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _join(self.request, connect)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="port-forward", daemon=True).start()
    return int(server.server_address[1])


def _join(near: socket.socket, connect: Callable[[], Stream]) -> None:
    try:
        far = connect()
    except ClientError as error:
        # Whoever asked sees a closed connection, and tries again.
        _log.warning("no way to the store: %s", error)
        return
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    _pump(near, far)
    back.join()


def _pump(source: Any, sink: Any) -> None:
    with suppress(OSError):
        while data := source.recv(_BLOCK):
            sink.sendall(data)
    # Either end's end is that of both: what speaks HTTP never closes one direction alone.
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            one.close()
