"""An S3-like server as an attacker may run it in their own namespace. Needs nothing but Python: a pod can be given this
file.

A bucket keeps small objects as any server does, and begins with a model and data of RTE. What else it does is in its
name:

    tar-*      sends a byte of its answer every 4 s, for ever
    lake       its listings have no end
    runs       so have those of the folders of runs
    plan       each plan.json has 1.5 GB, and the answer does not say how many
    results    every run has ended, with a result.json of 1.5 GB
    values     plan.json and results.json have millions of short texts, as many as fit into either
    config     config.json of the model has 1.5 GB; the listing says 2 bytes
    tuned      each *.yaml has 1.5 GB; the listing says how many bytes were put
    probe      so has what is put to find out whether it can be
    elements   a page of a listing has as many elements as fit into an answer
"""

import functools
import hashlib
import itertools
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TARRED_SECONDS = 4.0
HUGE = 1_500_000_000
PAGE = 1000
PLAN_BYTES, _REPORT_BYTES = 8 << 20, 16 << 20
"""What finetune_store.documents reads of them at most."""

_PLAN, _RESULT, _REPORT, _CONFIG = "/plan.json", "/result.json", "/results.json", "/config.json"
_HUGE = {"plan": (_PLAN,), "results": (_RESULT,), "config": (_CONFIG,), "tuned": (".yaml",), "probe": ("",)}
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_MODEL = {"model/config.json": b"{}", "model/model.safetensors": b"weights"}
_DATA = {f"glue/RTE/{split}.tsv": split.encode() for split in ("train", "dev", "test")}


@functools.cache
def short_texts(most_bytes: int) -> bytes:
    """A JSON list of different texts: a few bytes of content for each of an object of Python's."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    words = itertools.islice(itertools.product(letters, repeat=4), most_bytes // 7 - 1)
    return json.dumps(["".join(word) for word in words], separators=(",", ":")).encode()


class Buckets:
    """What has been put, by bucket and key."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, bytes]] = defaultdict(lambda: {**_MODEL, **_DATA})
        self.asked: dict[str, int] = defaultdict(int)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self._kept[bucket][key] = content

    def get(self, bucket: str, key: str) -> bytes | None:
        return self._kept[bucket].get(key)

    def delete(self, bucket: str, key: str) -> None:
        self._kept[bucket].pop(key, None)

    def below(self, bucket: str, prefix: str) -> list[str]:
        """Keys, with a result of every run that a plan has in the bucket `results`."""
        kept = self._kept[bucket]
        ended = [key for plan, content in list(kept.items()) for key in _ended(bucket, plan, content)]
        return sorted({key for key in (*kept, *ended) if key.startswith(prefix)})


def _ended(bucket: str, key: str, content: bytes) -> Iterable[str]:
    if bucket == "results" and key.endswith("/plan.json"):
        for run in json.loads(content)["runs"]:
            yield f"{key.removesuffix('plan.json')}runs/{run['task']}/{run['runId']}/result.json"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    buckets: Buckets

    def _begin(self) -> tuple[str, str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path.lstrip("/")).partition("/")
        self.buckets.asked[bucket] += 1
        return bucket, key, parse_qs(parts.query, keep_blank_values=True)

    def do_GET(self) -> None:
        bucket, key, query = self._begin()
        if bucket.startswith("tar"):
            self._tar()
        elif not key:
            self._list(bucket, query)
        elif key.endswith(_HUGE.get(bucket, ())):
            self._flood()
        elif bucket == "values" and key.endswith((_PLAN, _REPORT)):
            self._answer(200, short_texts(_REPORT_BYTES if key.endswith(_REPORT) else PLAN_BYTES))
        else:
            self._object(bucket, key)

    def do_HEAD(self) -> None:
        bucket, key, _ = self._begin()
        content = self.buckets.get(bucket, key)
        self._answer(404 if content is None else 200, content or b"", body=False)

    def do_PUT(self) -> None:
        bucket, key, _ = self._begin()
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if bucket.startswith("tar"):
            self._tar()
            return
        self.buckets.put(bucket, key, content)
        self._answer(200, b"", etag=content)

    def do_DELETE(self) -> None:
        bucket, key, _ = self._begin()
        self.buckets.delete(bucket, key)
        self._answer(204, b"")

    def _object(self, bucket: str, key: str) -> None:
        content = self.buckets.get(bucket, key)
        if content is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer(200, content)

    def _list(self, bucket: str, query: dict[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        token = query.get("continuation-token", ["0"])[0]
        if "location" in query:
            self._answer(200, f"<LocationConstraint {_NAMESPACE}>us-east-1</LocationConstraint>".encode())
        elif bucket == "elements" and "/runs" in prefix:
            self._answer(200, b"<a>" + b"<a/>" * ((4 << 20) // 4 - 2) + b"</a>")
        elif bucket == "lake" or (bucket == "runs" and "/runs" in prefix):
            first = int(token)
            filler = "x" * (1000 - len(prefix))
            keys = [f"{prefix}{filler}{number:09d}" for number in range(first, first + PAGE)]
            self._page(bucket, keys, str(first + PAGE))
        else:
            self._page(bucket, self.buckets.below(bucket, prefix), None)

    def _page(self, bucket: str, keys: list[str], following: str | None) -> None:
        objects = "".join(
            f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{hashlib.md5(key.encode()).hexdigest()}"</ETag></Contents>'
            for key in keys
        )
        more = f"<NextContinuationToken>{following}</NextContinuationToken>" if following else ""
        said = f"<Name>{bucket}</Name><IsTruncated>{'true' if following else 'false'}</IsTruncated>{more}{objects}"
        self._answer(200, f'<?xml version="1.0"?><ListBucketResult {_NAMESPACE}>{said}</ListBucketResult>'.encode())

    def _tar(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while True:
            self.wfile.write(b" ")
            time.sleep(TARRED_SECONDS)

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = b"100000\r\n" + b"[" * (1 << 20) + b"\r\n"
        for _ in range(HUGE >> 20):
            self.wfile.write(piece)
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, content: bytes, *, body: bool = True, etag: bytes | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("ETag", f'"{hashlib.md5(content if etag is None else etag).hexdigest()}"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and status != 204:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quietly."""


class Server(ThreadingHTTPServer):
    """Serves until it is shut down; who hangs up is no error."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        self.buckets = Buckets()
        super().__init__(address, type("Bound", (Handler,), {"buckets": self.buckets}))

    def handle_error(self, *_: object) -> None:
        """Whoever is kept waiting hangs up."""


def main() -> None:
    """Serve on a port of all addresses."""
    with Server(("0.0.0.0", int(sys.argv[1]))) as server:
        threading.Thread(target=server.serve_forever).start()
        threading.Event().wait()


if __name__ == "__main__":
    main()
