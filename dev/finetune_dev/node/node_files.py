"""The configuration files of the node's programs; pure text.

Sized for a machine that is used for other things too: nothing is ever evicted or collected because its disk is full
of those, and the kernel's limits that need CAP_SYS_RESOURCE are left alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_dev.node.control_plane import CLUSTER_DOMAIN
from finetune_dev.node.network import BRIDGE, FIRST_POD_ADDRESS, NODE_ADDRESS, POD_RANGE

NODE_NAME = "finetune"
NETWORK_NAME = "finetune"
CNI_PROGRAMS = "/usr/lib/cni"
_KUBELET_API = "kubelet.config.k8s.io/v1beta1"
_PROXY_API = "kubeproxy.config.k8s.io/v1alpha1"


@dataclass(frozen=True)
class NodeFolders:
    """Where the node's programs keep their files, below one folder."""

    root: Path

    @property
    def socket(self) -> Path:
        """containerd's socket."""
        return self.root / "containerd.sock"

    @property
    def containerd_state(self) -> Path:
        """What containerd keeps while the machine is up."""
        return self.root / "containerd-state"

    @property
    def network(self) -> Path:
        """The network configuration of pods."""
        return self.root / "cni"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root."""
        return self.root / "kubelet"


def containerd_toml(folders: NodeFolders, root: Path, pause: str) -> str:
    """containerd 1.6's configuration; `root` holds the images, `pause` is the image beneath every pod."""
    return f"""\
version = 2
root = "{root}"
state = "{folders.containerd_state}"

[grpc]
  address = "{folders.socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Raising a process's protection needs CAP_SYS_RESOURCE, which a container or sandbox may lack.
  restrict_oom_score_adj = true
  # Below our folder, so that `down` finds them.
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_PROGRAMS}"
  conf_dir = "{folders.network}"
"""


def cni_json(folders: NodeFolders) -> str:
    """The network of pods: the node's bridge, addresses kept in a folder that goes with the cluster."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE, "rangeStart": FIRST_POD_ADDRESS, "gateway": NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(folders.network / "addresses"),
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return _json({"cniVersion": "0.4.0", "name": NETWORK_NAME, "plugins": [bridge]})


def kubelet_json(folders: NodeFolders, authority: Path) -> str:
    """The kubelet's configuration."""
    return _json(
        {
            "apiVersion": _KUBELET_API,
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "authentication": {"x509": {"clientCAFile": str(authority)}, "webhook": {"enabled": True}},
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{folders.socket}",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "clusterDNS": [NODE_ADDRESS],
            "clusterDomain": CLUSTER_DOMAIN,
            "podLogsDir": str(folders.root / "pod-logs"),
            "volumePluginDir": str(folders.kubelet / "volume-plugins"),
            "systemReserved": {"cpu": "100m", "memory": "1Gi"},
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
                "imagefs.available": "0%",
                "imagefs.inodesFree": "0%",
            },
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            # Quick to notice, since tests wait for it.
            "syncFrequency": "10s",
            "nodeStatusUpdateFrequency": "5s",
            "registerWithTaints": [],
        }
    )


def kube_proxy_json(kubeconfig: Path) -> str:
    """kube-proxy's configuration: service addresses by iptables."""
    return _json(
        {
            "apiVersion": _PROXY_API,
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": POD_RANGE,
            "hostnameOverride": NODE_NAME,
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            # The limits belong to the whole machine: leave them as they are.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "oomScoreAdj": 0,
        }
    )


def corefile(kubeconfig: Path) -> str:
    """CoreDNS's configuration: the cluster's names, everything else by the machine's own resolvers."""
    return f"""\
.:53 {{
    bind {NODE_ADDRESS}
    errors
    ready {NODE_ADDRESS}:8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }}
    forward . /etc/resolv.conf
    cache 10
}}
"""


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
