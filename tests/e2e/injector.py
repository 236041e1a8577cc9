"""What a service mesh does to a cluster: a mutating webhook that puts a container into each pod of a namespace."""

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes import client

from e2e.harness import K8S
from finetune_core.json_types import Json
from finetune_dev.image.catalogue import TRAINER
from store.tls import make_tls_files

NAME = "mesh-proxy"
_ENDLESS: Json = {
    "name": NAME,
    "image": TRAINER.reference,
    "imagePullPolicy": "IfNotPresent",
    "command": ["sleep", "infinity"],
    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
}


class Injector:
    """While it is open, pods that are made in the namespace get a container that does not end; native or not."""

    def __init__(self, namespace: str, folder: Path, *, native: bool) -> None:
        self._namespace, self._name = namespace, f"mesh-{namespace}"
        self._files = make_tls_files(folder)
        kind = "initContainers" if native else "containers"
        self._kind = kind
        self._container = {**_ENDLESS, "restartPolicy": "Always"} if native else _ENDLESS

    def patch(self, pod: Json) -> list[Json]:
        """The JSON patch of a pod: a native sidecar comes before the init containers that there are."""
        if not pod["spec"].get(self._kind):
            return [{"op": "add", "path": f"/spec/{self._kind}", "value": [self._container]}]
        place = "0" if self._kind == "initContainers" else "-"
        return [{"op": "add", "path": f"/spec/{self._kind}/{place}", "value": self._container}]

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files.certificate, self._files.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._hooks.create_mutating_webhook_configuration(self._configuration())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.delete_mutating_webhook_configuration(self._name)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def _hooks(self) -> client.AdmissionregistrationV1Api:
        return client.AdmissionregistrationV1Api(K8S.api)

    def _configuration(self) -> Json:
        bundle = base64.b64encode(self._files.authority.read_bytes()).decode()
        webhook = {
            "name": "mesh.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self._server.server_port}/", "caBundle": bundle},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
        }
        return {"metadata": {"name": self._name}, "webhooks": [webhook]}


def _handler(injector: Injector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            patch = base64.b64encode(json.dumps(injector.patch(review["request"]["object"])).encode()).decode()
            response = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
            answer = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the parent's name
            """Each pod is not worth a line."""

    return Handler
