"""A fake API server that records every request and answers whatever it is asked for.

It is no Kubernetes: it checks neither rights nor schemas, and it holds a Secret and a ConfigMap of every name in every
namespace but the one under test. A request that leaves that namespace is so answered as an attacker would wish.
"""

import base64
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from kubernetes import client

from finetune_core.json_types import Json

_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?"
)
_FOREIGN = {
    "secrets": {"AWS_ACCESS_KEY_ID": "VICTIM", "AWS_SECRET_ACCESS_KEY": "VICTIM"},
    "configmaps": {"plan.json": "victim: secret", "ca.crt": "victim", "hyperparameters.yaml": "victim: secret"},
}


@dataclass(frozen=True)
class Request:
    """What was asked: the path as it arrived, without its query."""

    verb: str
    path: str
    query: dict[str, list[str]]
    body: Json | None


@dataclass
class RecordingApi:
    """Objects by path, and the requests so far."""

    namespace: str
    objects: dict[str, Json] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def foreign(self) -> list[Request]:
        """Requests that are not about the namespace under test."""
        return [one for one in self.requests if f"/namespaces/{self.namespace}/" not in f"{one.path}/"]

    def put(self, collection: str, item: Json) -> Json:
        """Hold an object, e.g. below `/api/v1/namespaces/team/secrets`."""
        metadata = item["metadata"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("generation", 1)
        metadata["resourceVersion"] = str(len(self.requests) + 1)
        metadata.setdefault("namespace", self.namespace)
        self.objects[f"{collection}/{metadata['name']}"] = item
        return item

    def answer(self, request: Request) -> tuple[int, Json]:
        """Status and body."""
        self.requests.append(request)
        found = _PATH.fullmatch(unquote(request.path))
        if found is None:
            return 404, {"kind": "Status", "message": f"no such path {request.path}"}
        if found["name"] is None:
            return self._collection(request)
        return self._object(request, found)

    def _collection(self, request: Request) -> tuple[int, Json]:
        if request.verb == "POST":
            assert request.body is not None
            if "dryRun" in request.query:
                return 201, request.body
            path = f"{request.path}/{request.body['metadata'].get('name')}"
            if path in self.objects:
                return 409, {"kind": "Status", "message": "already exists"}
            return 201, self.put(request.path, request.body)
        items = [one for path, one in self.objects.items() if path.rpartition("/")[0] == request.path]
        wanted = dict(part.split("=") for part in ",".join(request.query.get("labelSelector", [])).split(",") if part)
        fields = ",".join(request.query.get("fieldSelector", []))
        return 200, {"items": [one for one in items if _labelled(one, wanted) and _named(one, fields)]}

    def _object(self, request: Request, found: re.Match[str]) -> tuple[int, Json]:
        path = request.path.removesuffix("/status")
        item = self.objects.get(path)
        if item is None and found["namespace"] != self.namespace and found["plural"] in _FOREIGN:
            item = _foreign(found)
        if item is None:
            return 404, {"kind": "Status", "message": "not found"}
        uid = ((request.body or {}).get("preconditions") or (request.body or {}).get("metadata") or {}).get("uid")
        if request.verb != "GET" and uid not in (None, item["metadata"]["uid"]):
            return 409, {"kind": "Status", "message": "Precondition failed: UID"}
        if request.verb == "DELETE":
            self.objects.pop(path, None)
        elif request.verb == "PATCH":
            item = self.objects[path] = _merged(item, request.body or {})
        elif request.verb == "PUT":
            assert request.body is not None
            item = self.objects[path] = request.body
        return 200, item


def _named(item: Json, fields: str) -> bool:
    return not fields.startswith("metadata.name=") or fields == f"metadata.name={item['metadata']['name']}"


def _labelled(item: Json, wanted: Json) -> bool:
    return wanted.items() <= (item["metadata"].get("labels") or {}).items()


def _foreign(found: re.Match[str]) -> Json:
    plain = _FOREIGN[found["plural"]]
    secret = found["plural"] == "secrets"
    data = {key: base64.b64encode(text.encode()).decode() if secret else text for key, text in plain.items()}
    return {"metadata": {"name": found["name"], "namespace": found["namespace"], "uid": "victim"}, "data": data}


def _merged(item: Json, patch: Json) -> Json:
    merged = dict(item)
    for key, value in patch.items():
        old = merged.get(key)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return merged


@contextmanager
def serving(api: RecordingApi) -> Iterator[client.ApiClient]:
    """The fake behind a real HTTP server, and a client of it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _do(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            parts = urlsplit(self.path)
            status, answer = api.answer(Request(self.command, parts.path, parse_qs(parts.query), body))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Quietly."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        configuration = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
        configuration.proxy = None
        with client.ApiClient(configuration) as made:
            yield made
        server.shutdown()
