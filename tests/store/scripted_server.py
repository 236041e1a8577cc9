"""A fake S3 server that gives the answers of a script: for what a real server does not do on demand.

Each request takes the next answer; the last one repeats. `requests` holds what came in.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

XML = "application/xml"


@dataclass(frozen=True)
class Answer:
    """An answer to one request; `drop` reads the request and hangs up instead, `hang` never answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    hang: bool = False


@dataclass(frozen=True)
class Request:
    """What came in; the names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def s3_error(status: int, code: str, message: str = "as the script says", **headers: str) -> Answer:
    """An error as S3 servers send it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message><Resource>/r</Resource></Error>".encode()
    return Answer(
        status, body, {"Content-Type": XML} | {name.replace("_", "-"): text for name, text in headers.items()}
    )


def xml(body: str, **headers: str) -> Answer:
    """A good answer with a body."""
    return Answer(200, body.encode(), {"Content-Type": XML} | headers)


class ScriptedServer(ThreadingHTTPServer):
    """The fake; `endpoint` is its URL."""

    daemon_threads = True

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._answers = answers
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_answer(self, request: Request) -> Answer:
        with self._lock:
            answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
            self.requests.append(request)
        return answer


@contextmanager
def scripted(*answers: Answer) -> Iterator[ScriptedServer]:
    """A running fake."""
    with ScriptedServer(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): text for name, text in self.headers.items()}
        answer = self.server.next_answer(Request(self.command, self.path, headers, body))
        if answer.hang:
            self.server.closing.wait()
        if answer.drop or answer.hang:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, text in answer.headers.items():
            self.send_header(name, text)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing on stderr."""
