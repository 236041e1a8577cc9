"""A receiver of notifications: it keeps what it is sent, and answers as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from support.serving import served


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    content: bytes


@dataclass
class Receiver:
    """`answers` are the next ones, by their status; after these it answers 200. It waits for `may_answer`.

    `odd`: a line of its answers is no header.
    """

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    odd: bool = False
    may_answer: threading.Event = field(default_factory=threading.Event)

    @property
    def allowed(self) -> str:
        """As the administrator names it."""
        return self.url.removesuffix("/hook")


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on this machine, until the end of the block."""
    receiver = Receiver()
    receiver.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(Received(self.path, dict(self.headers), content))
            receiver.may_answer.wait(20)
            status = receiver.answers.pop(0) if receiver.answers else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{receiver.allowed}/elsewhere")
            if receiver.odd:
                self.flush_headers()
                self.wfile.write(b"this is no header\r\n")
            self.end_headers()

        def do_GET(self) -> None:
            receiver.requests.append(Received(self.path, dict(self.headers), b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with served(Handler) as address:
        receiver.url = f"{address}/hook"
        try:
            yield receiver
        finally:
            receiver.may_answer.set()
