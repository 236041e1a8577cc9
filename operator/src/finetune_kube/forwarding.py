"""A connection to a port of a pod: the API server's websocket on one side, a plain socket on the other.

The library's own port forwarding keeps all that the reader has not taken yet, and copies it with every block: what is
downloaded through it costs the square of its size. Here each side is read only when the other has taken everything.
See https://kubernetes.io/docs/reference/using-api/api-concepts/ and the subprotocol v4.channel.k8s.io: frames of a
channel's number and bytes, channel 0 the data, channel 1 the pod's error; the first frame of each holds the port.
"""

import logging
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import kubernetes.stream.ws_client
from websocket import ABNF, WebSocket, WebSocketException

from finetune_kube.connect import ApiClient
from finetune_kube.errors import ForbiddenError

_log = logging.getLogger(__name__)

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_BLOCK = 1 << 16


def forwarded(api: ApiClient, path: str, port: int) -> socket.socket:
    """A socket that is connected to a port of the pod of `.../portforward`; ForbiddenError."""
    websocket = _connected(api, path, port)
    near, ours = socket.socketpair()
    threading.Thread(target=_relay, args=(websocket, ours, path), name=f"forward {path}", daemon=True).start()
    return near


def _connected(api: ApiClient, path: str, port: int) -> WebSocket:
    _, url, headers, *_ = api.param_serialize("GET", path, auth_settings=["BearerToken"])
    url = kubernetes.stream.ws_client.get_websocket_url(url, [("ports", str(port))])  # type: ignore[no-untyped-call]
    headers = {name.lower(): value for name, value in headers.items()} | {"sec-websocket-protocol": _PROTOCOL}
    try:
        made: WebSocket = kubernetes.stream.ws_client.create_websocket(api.configuration, url, headers)  # type: ignore[no-untyped-call]
    except (WebSocketException, OSError) as error:
        raise ForbiddenError(f"GET {path}: {error}", reason=str(error), path=path) from error
    made.settimeout(None)
    return made


def _relay(websocket: WebSocket, near: socket.socket, path: str) -> None:
    """Pass bytes on until either side ends."""
    with _closing(websocket), closing(near):
        near.setblocking(False)
        relay = _Relay(websocket, near)
        try:
            while relay.step():
                pass
        except (WebSocketException, OSError) as error:
            # Whoever uses the connection sees that it is closed, and says what that means.
            _log.debug("GET %s: %s", path, error)
        if relay.error:
            _log.warning("GET %s: %s", path, relay.error)


@contextmanager
def _closing(websocket: WebSocket) -> Iterator[None]:
    try:
        yield
    finally:
        websocket.close()
        # Its close does nothing once the other end has said goodbye, and leaves the socket open.
        websocket.shutdown()  # type: ignore[no-untyped-call]


class _Relay:
    """Two directions, each with at most one block that is under way."""

    def __init__(self, websocket: WebSocket, near: socket.socket) -> None:
        self.error = ""
        self._websocket = websocket
        self._far: Any = websocket.sock
        self._near = near
        self._to_near = memoryview(b"")
        self._to_far = memoryview(b"")
        self._announced: set[int] = set()

    def step(self) -> bool:
        """Wait until something can be passed on, and pass it on; False once a side has ended and all is passed on."""
        readable, writable = self._ready()
        if self._near in writable:
            self._to_near = self._to_near[self._near.send(self._to_near) :]
        if self._far in writable:
            self._to_far = self._to_far[self._sent() :]
        if self._far in readable and not self._receive():
            return False
        return self._near not in readable or self._take()

    def _ready(self) -> tuple[Sequence[Any], Sequence[Any]]:
        wanted = [side for side, rest in ((self._far, self._to_near), (self._near, self._to_far)) if not rest]
        waiting = [side for side, rest in ((self._near, self._to_near), (self._far, self._to_far)) if rest]
        # What TLS has read already, no select tells of.
        held = self._far in wanted and isinstance(self._far, ssl.SSLSocket) and self._far.pending() > 0
        readable, writable, _ = select.select(wanted, waiting, (), 0 if held else None)
        return ([*readable, self._far] if held and self._far not in readable else readable), writable

    def _sent(self) -> int:
        """How many bytes of a frame the websocket took; it may take none."""
        self._far.settimeout(0)
        try:
            return int(self._far.send(self._to_far))
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        finally:
            self._far.settimeout(None)

    def _receive(self) -> bool:
        """The next frame from the pod; False at its end."""
        opcode, frame = self._websocket.recv_data_frame(control_frame=True)
        if opcode == ABNF.OPCODE_CLOSE:
            return False
        if opcode == ABNF.OPCODE_BINARY and frame.data:
            return self._on_channel(frame.data[0], memoryview(frame.data)[1:])
        return True

    def _on_channel(self, channel: int, data: memoryview) -> bool:
        if channel not in self._announced:
            # The port's number, which is known.
            self._announced.add(channel)
        elif channel == _DATA:
            self._to_near = data
        elif channel == _ERROR:
            self.error = bytes(data).decode(errors="replace")
            return False
        return True

    def _take(self) -> bool:
        """The next bytes for the pod; False where there are no more."""
        data = self._near.recv(_BLOCK)
        frame = ABNF.create_frame(bytes((_DATA,)) + data, ABNF.OPCODE_BINARY)
        self._to_far = memoryview(frame.format()) if data else self._to_far
        return bool(data)
