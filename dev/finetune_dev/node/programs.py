"""The cluster's programs and the users that they are to the API server; pure."""

from pathlib import Path

from finetune_dev.node.control_plane import (
    ADMIN,
    ADMIN_GROUPS,
    SERVICE_RANGE,
    Endpoint,
    apiserver_command,
    etcd_command,
    etcd_program,
)
from finetune_dev.node.daemons import Daemon
from finetune_dev.node.network import NODE_ADDRESS
from finetune_dev.node.node_files import NODE_NAME
from finetune_dev.node.pki import Authority

CLUSTER_ENDPOINT = Endpoint(NODE_ADDRESS, 6443, etcd_port=23790, etcd_peer_port=23800)
NAMES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    "coredns",
)

# User names to which Kubernetes itself binds the right roles; CoreDNS's role is in manifests/.
MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
PROXY_USER = "system:kube-proxy"
DNS_USER = "system:coredns"
NODE_USER = f"system:node:{NODE_NAME}"
USERS: dict[str, tuple[str, ...]] = {
    ADMIN: ADMIN_GROUPS,
    MANAGER: (),
    SCHEDULER: (),
    PROXY_USER: (),
    DNS_USER: (),
    NODE_USER: ("system:nodes",),
}


def etcd(data: Path) -> Daemon:
    """The API server's store."""
    return Daemon("etcd", etcd_command(etcd_program(), CLUSTER_ENDPOINT, data))


def apiserver(program: Path, authority: Authority) -> Daemon:
    """The API server, which reaches the kubelet by a certificate of its own."""
    certificate, key = authority.key_pair("kubelet-client")
    extra = (
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        # The node is known by its name to Kubernetes only, not to this machine.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={certificate}",
        f"--kubelet-client-key={key}",
    )
    command = apiserver_command(program, CLUSTER_ENDPOINT, authority, extra)
    return Daemon("kube-apiserver", command, (authority.token_file,))


def controller_manager(program: Path, authority: Authority, kubeconfig: Path) -> Daemon:
    """The controllers; they publish the authority's certificate to every namespace."""
    options = (
        f"--kubeconfig={kubeconfig}",
        f"--root-ca-file={authority.certificate}",
        f"--service-account-private-key-file={authority.service_account_key}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
    )
    return Daemon("kube-controller-manager", (str(program), *options))


def scheduler(program: Path, kubeconfig: Path) -> Daemon:
    """The scheduler."""
    options = (f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
    return Daemon("kube-scheduler", (str(program), *options))


def containerd(configuration: Path) -> Daemon:
    """The container runtime."""
    return Daemon("containerd", ("containerd", "--config", str(configuration)), (configuration,))


def kubelet(program: Path, configuration: Path, kubeconfig: Path, root: Path) -> Daemon:
    """The node's agent."""
    options = (
        f"--config={configuration}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={root}",
        f"--cert-dir={root / 'pki'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
    )
    return Daemon("kubelet", (str(program), *options), (configuration,))


def kube_proxy(program: Path, configuration: Path) -> Daemon:
    """Service addresses."""
    return Daemon("kube-proxy", (str(program), f"--config={configuration}"), (configuration,))


def coredns(program: Path, configuration: Path) -> Daemon:
    """Names of services and pods."""
    return Daemon("coredns", (str(program), "-conf", str(configuration)), (configuration,))
