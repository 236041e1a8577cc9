"""A kubelet that only has logs: an API server asks it for those of pods on its node."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from kubernetes import client

from finetune_dev.node.pki import Authority

NODE = "played"
_ADDRESS = "127.0.0.1"


LAST = "step 2 of 2"
"""Of a run of RTE, the first."""


class Kubelet:
    """A node of a test's API server; every container's log is `LINES`."""

    LINES = (
        "2026-01-01T00:00:00.000+00:00 INFO    1 run to do",
        f"2026-01-01T00:00:01.000+00:00 INFO    {LAST} task=rte run=0 run_id=id-0",
    )

    def __init__(self, api: client.ApiClient, folder: Path) -> None:
        self._core = client.CoreV1Api(api)
        authority = Authority(folder)
        authority.create()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("kubelet", "/CN=kubelet", (f"IP:{_ADDRESS}",)))
        self._server = ThreadingHTTPServer((_ADDRESS, 0), _Logs)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._core.create_node({"metadata": {"name": NODE}})
        status = {
            "addresses": [{"type": "InternalIP", "address": _ADDRESS}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._server.server_port}},
        }
        self._core.patch_node_status(NODE, {"status": status})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Logs(BaseHTTPRequestHandler):
    """GET /containerLogs/<namespace>/<pod>/<container>, as kubelets answer it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = self.path.startswith("/containerLogs/")
        body = "".join(f"{line}\n" for line in Kubelet.LINES).encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quietly."""
