"""What `down` takes away, and what it leaves to others."""

import json
from pathlib import Path

from finetune_dev.node import node_files, system
from finetune_dev.node.mounts import mounts_below
from finetune_dev.node.network import without_cluster_rules
from finetune_dev.node.node_files import NodeFolders
from finetune_dev.node.teardown import descendants

MOUNTINFO = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:1 / /cache/cluster/state/rootfs rw - overlay overlay rw
31 30 0:2 / /cache/cluster/state/rootfs/dev\\040shm rw - tmpfs shm rw
32 22 0:3 / /cache/cluster-of-others rw - tmpfs other rw
"""
RULES = """\
*nat
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.244.0.0/24 ! -d 10.244.0.0/24 -m comment --comment finetune-dev -j MASQUERADE
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
COMMIT
"""


def test_mounts_below_a_folder_come_innermost_first_and_without_its_neighbours() -> None:
    state = Path("/cache/cluster/state/rootfs")
    assert mounts_below(MOUNTINFO, Path("/cache/cluster")) == [state / "dev shm", state]


def test_rules_of_others_stay() -> None:
    assert without_cluster_rules(RULES).splitlines() == [
        "*nat",
        ":POSTROUTING ACCEPT [0:0]",
        "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "COMMIT",
    ]


def test_descendants_are_found_through_all_generations() -> None:
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 5}
    assert descendants(parents, [2]) == [3, 4]


def test_only_packages_whose_program_is_missing_are_installed() -> None:
    assert system.missing_packages(lambda telling: telling not in {"runc", "ip"}) == ["runc", "iproute2"]


def test_kubelet_neither_evicts_nor_collects_for_a_disk_full_of_other_things() -> None:
    kubelet = json.loads(node_files.kubelet_json(NodeFolders(Path("/cluster")), Path("/ca.crt")))
    disk = {name: value for name, value in kubelet["evictionHard"].items() if "fs" in name}
    assert set(disk.values()) == {"0%"}
    assert kubelet["imageGCHighThresholdPercent"] == 100
