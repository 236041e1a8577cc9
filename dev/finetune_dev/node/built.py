"""A cluster of this machine's own: every program of Kubernetes started as a process, pods by containerd and runc.

                     etcd <- kube-apiserver <- kube-controller-manager, kube-scheduler
    containerd <- kubelet -> kube-apiserver <- kube-proxy (service addresses), coredns (names)

Each step of `up` looks first whether there is anything to do, so that it also mends a cluster of which parts died.
"""

import json
from pathlib import Path

from finetune_dev import binaries
from finetune_dev.errors import CommandError, DevError
from finetune_dev.image.catalogue import PAUSE
from finetune_dev.image.images import load_pause
from finetune_dev.kubectl import kubectl
from finetune_dev.node import network, node_files, programs
from finetune_dev.node.containerd import Containerd
from finetune_dev.node.control_plane import ADMIN, serving_names
from finetune_dev.node.daemons import Daemons, boot_id
from finetune_dev.node.kubeconfig import write_kubeconfig
from finetune_dev.node.mounts import remove_tree
from finetune_dev.node.node_files import NODE_NAME, NodeFolders
from finetune_dev.node.pki import Authority
from finetune_dev.node.probes import answers
from finetune_dev.node.programs import CLUSTER_ENDPOINT, USERS
from finetune_dev.node.system import install_packages, require_root
from finetune_dev.node.teardown import kill_containers, remove_cgroups, remove_log_links, remove_network_results
from finetune_dev.paths import Paths
from finetune_dev.shell import say, step, wait_for

_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns")
_MANIFESTS = Path(__file__).with_name("manifests")
_READY_SECONDS = 90
# A socket's path has at most 107 bytes (unix(7)); the longest of ours is this much longer than the cache's.
_LONGEST_CACHE_PATH = 60


class BuiltCluster:
    """The cluster whose state is in `<cache>/cluster`."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._folders = NodeFolders(paths.cluster)
        self._authority = Authority(paths.cluster / "pki")
        self.daemons = Daemons(paths.cluster / "daemons", paths.logs)
        self.containerd = Containerd(self._folders.socket, paths.containerd)

    def up(self) -> None:
        """Start what does not run, and wait until pods can be scheduled, started and found by name."""
        require_root()
        if len(str(self._paths.root)) > _LONGEST_CACHE_PATH:
            raise DevError(f"{self._paths.root} is too long a path for sockets: set FINETUNE_CACHE to a shorter one")
        install_packages()
        built = {name: binaries.ensure(name, self._paths) for name in _PROGRAMS}
        self._forget_last_boot()
        network.set_up()
        self._write_files()
        self._start_control_plane(built)
        self._start_node(built)
        self._wait_until_ready()

    def down(self) -> None:
        """End every program and pod, and take away mounts, bridge, rules and state; images and programs stay."""
        require_root()
        if self._paths.cluster.exists():
            self._end_pods()
            for name in reversed(self.daemons.names()):
                say(f"stopping {name}")
                self.daemons.stop(name)
            remove_cgroups()
            remove_network_results(node_files.NETWORK_NAME)
            remove_log_links(self._paths.cluster)
            remove_tree(self._paths.cluster)
        network.tear_down()
        self._paths.kubeconfig.unlink(missing_ok=True)

    def status(self) -> dict[str, bool]:
        """Whether each program runs, by name, in the order in which they start."""
        names = programs.NAMES
        return {name: self.daemons.is_running(name) for name in names}

    def _forget_last_boot(self) -> None:
        """Drop what containerd kept of containers that a restart of the machine ended."""
        marker = self._paths.cluster / "boot"
        if marker.exists() and marker.read_text() != boot_id():
            say("the machine was restarted since: starting everything again")
            remove_tree(self._folders.containerd_state)
        self._paths.cluster.mkdir(parents=True, exist_ok=True, mode=0o711)
        marker.write_text(boot_id())

    def _write_files(self) -> None:
        self._authority.create()
        self._authority.issue("kube-apiserver", "/CN=kube-apiserver", serving_names(CLUSTER_ENDPOINT.address))
        self._authority.issue("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        for user, identity in self._authority.identities(USERS).items():
            path = self._paths.kubeconfig if user == ADMIN else self._kubeconfig(user)
            trusted = self._authority.certificate
            write_kubeconfig(path, server=CLUSTER_ENDPOINT.url, authority=trusted, identity=identity)
        self._folders.network.mkdir(exist_ok=True)
        texts = {
            self._file("containerd.toml"): node_files.containerd_toml(
                self._folders, self._paths.containerd, PAUSE.reference
            ),
            self._folders.network / "10-finetune.conflist": node_files.cni_json(self._folders),
            self._file("kubelet.json"): node_files.kubelet_json(self._folders, self._authority.certificate),
            self._file("kube-proxy.json"): node_files.kube_proxy_json(self._kubeconfig(programs.PROXY_USER)),
            self._file("Corefile"): node_files.corefile(self._kubeconfig(programs.DNS_USER)),
        }
        for path, text in texts.items():
            # kube-proxy ends when its file is written, changed or not.
            if not path.exists() or path.read_text() != text:
                path.write_text(text)

    def _start_control_plane(self, built: dict[str, Path]) -> None:
        self.daemons.ensure(programs.etcd(self._paths.cluster / "etcd"))
        self.start_apiserver(built["kube-apiserver"])
        kubectl("apply", "--server-side", "--filename", _MANIFESTS)
        manager, scheduler = built["kube-controller-manager"], built["kube-scheduler"]
        self.daemons.ensure(programs.controller_manager(manager, self._authority, self._kubeconfig(programs.MANAGER)))
        self.daemons.ensure(programs.scheduler(scheduler, self._kubeconfig(programs.SCHEDULER)))

    def start_apiserver(self, program: Path) -> None:
        """Have the API server running, and wait until it answers."""
        self.daemons.ensure(programs.apiserver(program, self._authority))
        token = self._authority.identities(USERS)[ADMIN].token
        with step("waiting for the API server"):
            self.daemons.wait(
                "kube-apiserver",
                "the API server",
                lambda: answers(f"{CLUSTER_ENDPOINT.url}/readyz", authority=self._authority.certificate, token=token),
                seconds=_READY_SECONDS,
            )

    def _start_node(self, built: dict[str, Path]) -> None:
        self._start_containerd()
        load_pause(self._paths, self.containerd)
        kubelet_file, proxy_file, corefile = map(self._file, ("kubelet.json", "kube-proxy.json", "Corefile"))
        kubeconfig = self._kubeconfig(programs.NODE_USER)
        self.daemons.ensure(programs.kubelet(built["kubelet"], kubelet_file, kubeconfig, self._folders.kubelet))
        self.daemons.ensure(programs.kube_proxy(built["kube-proxy"], proxy_file))
        self.daemons.ensure(programs.coredns(built["coredns"], corefile))

    def _start_containerd(self) -> None:
        self.daemons.ensure(programs.containerd(self._file("containerd.toml")))
        self.daemons.wait("containerd", "containerd", self.containerd.answers, seconds=_READY_SECONDS)

    def _wait_until_ready(self) -> None:
        with step("waiting for node, names and service accounts"):
            self.daemons.wait("kubelet", f"node {NODE_NAME}", _node_is_ready, seconds=_READY_SECONDS)
            ready = f"http://{network.NODE_ADDRESS}:8181/ready"
            self.daemons.wait(
                "coredns",
                "the cluster's names",
                lambda: answers(ready, authority=self._authority.certificate, token=""),
                seconds=_READY_SECONDS,
            )
            wait_for("the default service account", _has_default_account, seconds=_READY_SECONDS)

    def _end_pods(self) -> None:
        """Kill all containers while nothing restarts them, and have containerd forget them."""
        self.daemons.stop("kubelet")
        if self._file("containerd.toml").exists():
            self._start_containerd()
            with step("ending all pods"):
                kill_containers(self._folders.socket, self._folders.containerd_state)
                self.containerd.forget_containers()

    def _kubeconfig(self, user: str) -> Path:
        return self._paths.cluster / "kubeconfigs" / user.replace(":", "-")

    def _file(self, name: str) -> Path:
        return self._paths.cluster / name


def _node_is_ready() -> bool:
    try:
        node = json.loads(kubectl("get", "node", NODE_NAME, "--output", "json"))
    except CommandError:
        return False
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"]["conditions"]
    )


def _has_default_account() -> bool:
    return bool(kubectl("get", "serviceaccount", "default", "--ignore-not-found", "--output", "name"))
