"""The node's network: one bridge, whose own address is the node's, and the rules that let pods out.

The address on a bridge is there whatever the machine's other networks do, and is the pods' gateway as well.
"""

from pathlib import Path

from finetune_dev.shell import run, succeeds

BRIDGE = "finetune0"
NODE_ADDRESS = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
FIRST_POD_ADDRESS = "10.244.0.10"
_COMMENT = "finetune-dev"
_SETTINGS = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")
# Docker, where it is installed, lets nothing through that is not its own; hence the two FORWARD rules.
_RULES = (
    ("nat", "POSTROUTING", "-s", POD_RANGE, "!", "-d", POD_RANGE, "-j", "MASQUERADE"),
    ("filter", "FORWARD", "-i", BRIDGE, "-j", "ACCEPT"),
    ("filter", "FORWARD", "-o", BRIDGE, "-j", "ACCEPT"),
)


def set_up() -> None:
    """Have bridge, address, forwarding and rules in place."""
    for module in ("br_netfilter", "overlay"):
        # A kernel that has it built in knows no module of that name; one that lacks it shows below.
        succeeds("modprobe", module)
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "replace", f"{NODE_ADDRESS}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    for setting in _SETTINGS:
        Path("/proc/sys", setting).write_text("1")
    for table, chain, *rule in _RULES:
        words = (chain, *rule, "-m", "comment", "--comment", _COMMENT)
        if not succeeds("iptables", "-w", "-t", table, "-C", *words):
            run("iptables", "-w", "-t", table, "-I", *words)


def tear_down() -> None:
    """Take away the bridge and every rule of ours and of kube-proxy's."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "delete", BRIDGE)
    for family in ("iptables", "ip6tables"):
        rules = run(f"{family}-save")
        if (kept := without_cluster_rules(rules)) != rules:
            run(f"{family}-restore", "-w", stdin=kept)


def without_cluster_rules(saved: str) -> str:
    """Rules as iptables-save prints them, less those of this cluster and of Kubernetes."""
    marks = ("KUBE-", _COMMENT)
    return "".join(line for line in saved.splitlines(keepends=True) if not any(mark in line for mark in marks))
