"""Ending what a cluster leaves outside its own processes: containers, control groups, links."""

import errno
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from finetune_dev.shell import wait_for

_CGROUPS = Path("/sys/fs/cgroup")
_POD_GROUP = "kubepods"
_LOG_LINKS = Path("/var/log/containers")
_CNI_RESULTS = Path("/var/lib/cni/results")
_SHIM = "containerd-shim"
_END_SECONDS = 30


def kill_containers(socket: Path, state: Path) -> None:
    """Kill every container of the containerd at `socket`, with its `state` folder: shims and all that runs below."""
    shim_sockets = [Path(path.read_text().removeprefix("unix://")) for path in state.glob("*.task/*/*/address")]
    shims = [pid for pid, command in _commands() if _is_shim(command, socket)]
    doomed = [*shims, *descendants(_parents(), shims)]
    for pid in doomed:
        _kill(pid)
    wait_for("containers to end", lambda: not any(map(_lives, doomed)), seconds=_END_SECONDS)
    for path in shim_sockets:
        path.unlink(missing_ok=True)


def descendants(parents: Mapping[int, int], roots: Iterable[int]) -> list[int]:
    """Every process below `roots`, nearest first, where `parents` maps a process to its parent."""
    found: list[int] = []
    level = set(roots)
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found.extend(sorted(level))
    return found


def remove_cgroups() -> None:
    """Remove the pods' control groups, in one hierarchy (v2) or in each of several (v1), once they are empty."""
    tops = (_CGROUPS / _POD_GROUP, *_CGROUPS.glob(f"*/{_POD_GROUP}"))
    wait_for("the pods' control groups to be empty", lambda: all(map(_removes_group, tops)), seconds=_END_SECONDS)


def remove_network_results(network: str) -> None:
    """Remove what the CNI library keeps of pods that were killed: `<network>-<sandbox>-eth0`, and its loopback twin."""
    for path in _CNI_RESULTS.glob(f"{network}-*-eth0"):
        sandbox = path.name.removeprefix(f"{network}-").removesuffix("-eth0")
        (_CNI_RESULTS / f"cni-loopback-{sandbox}-lo").unlink(missing_ok=True)
        path.unlink()


def remove_log_links(cluster: Path) -> None:
    """Remove the kubelet's links to logs of this cluster's containers."""
    for link in _LOG_LINKS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(cluster):
            link.unlink()


def _removes_group(top: Path) -> bool:
    try:
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()
    except OSError as error:
        # The kernel takes a moment to let go of a group whose last process was killed.
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def _is_shim(command: list[str], socket: Path) -> bool:
    return bool(command) and Path(command[0]).name.startswith(_SHIM) and str(socket) in command


def _commands() -> Iterator[tuple[int, list[str]]]:
    for pid in _pids():
        try:
            yield pid, Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue


def _parents() -> dict[int, int]:
    parents = {}
    for pid in _pids():
        if (fields := _stat(pid)) is not None:
            parents[pid] = int(fields[1])
    return parents


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _lives(pid: int) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the name: state, parent, ... (proc(5)); None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
