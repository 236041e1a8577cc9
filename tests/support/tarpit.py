"""A server that is never silent and never done: it sends its answer, or takes the request, a byte at a time."""

import socket
import ssl
import threading
from types import TracebackType
from typing import Self

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 100000\r\n\r\n"
_FILLER = b"X-Filler: " + b"x" * 60000
_EVERY_SECONDS = 0.02


class Tarpit:
    """Listens on 127.0.0.1; `slow` says what comes a byte at a time: "status", "headers" or "body"."""

    def __init__(self, slow: str = "body", context: ssl.SSLContext | None = None) -> None:
        cut = {"status": 0, "headers": _ANSWER.index(b"\r\n") + 2, "body": len(_ANSWER)}[slow]
        self._quick, self._slow = _ANSWER[:cut], _FILLER if slow == "headers" else b" " * 100_000
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def endpoint(self) -> str:
        """Its URL."""
        scheme = "https" if self._context else "http"
        return f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with plain, self._wrapped(plain) as connection:
                connection.recv(65536)
                connection.sendall(self._quick)
                for byte in self._slow:
                    connection.sendall(bytes([byte]))
                    if self._closing.wait(_EVERY_SECONDS):
                        return
        except OSError:
            return  # the client has hung up

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        return self._context.wrap_socket(plain, server_side=True) if self._context else plain
