"""Doing what a fault says to the cluster, its store and its pods. Each injector returns once the fault is over.

The cluster is this machine's own: processes of the control plane and of pods are signalled from the outside.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes.client.exceptions import ApiException

from chaos.damage import AIMS, DAMAGES, tear
from chaos.faults import Fault, Kind
from chaos.look import Eyes
from chaos.observed import Tampered
from chaos.subjects import LEASE_SECONDS, Subject
from e2e.harness import K8S, evict, kill_operator, operator_pod, signal_pod
from finetune_dev import binaries, release
from finetune_dev.node.built import BuiltCluster
from finetune_dev.paths import Paths

_API = "kube-apiserver"
_OPERATOR_LEASE_SECONDS = 10
_BETWEEN_KILLS = 0.5


@dataclass
class Scene:
    """What faults act on."""

    eyes: Eyes
    experiment: Subject
    search: Subject
    tampered: Tampered

    def subject(self, fault: Fault) -> Subject:
        """The one that a fault is meant for."""
        return self.search if fault.on_search else self.experiment


def inject(scene: Scene, fault: Fault) -> str:
    """Have a fault happen, from its beginning to its end; what it hit, "" where there was nothing to hit."""
    if fault.kind in DAMAGES:
        return DAMAGES[fault.kind](scene.eyes, scene.subject(fault), scene.tampered, fault)
    return INJECTORS[fault.kind](scene, fault)


def _operator_killed(_scene: Scene, _fault: Fault) -> str:
    name = str(operator_pod().metadata.name)
    kill_operator()
    return name


def _operator_frozen(_scene: Scene, fault: Fault) -> str:
    """Longer than its Lease; its probe may end it before."""
    pod = operator_pod()
    with _frozen(pod):
        time.sleep(_OPERATOR_LEASE_SECONDS + fault.seconds)
    return str(pod.metadata.name)


def _apiserver_down(_scene: Scene, fault: Fault) -> str:
    paths = Paths.default()
    cluster = BuiltCluster(paths)
    program = binaries.ensure(_API, paths)
    cluster.daemons.signal(_API, signal.SIGKILL)
    try:
        time.sleep(fault.seconds)
    finally:
        cluster.start_apiserver(program)
    return _API


def _apiserver_hangs(_scene: Scene, fault: Fault) -> str:
    daemons = BuiltCluster(Paths.default()).daemons
    daemons.signal(_API, signal.SIGSTOP)
    try:
        time.sleep(fault.seconds)
    finally:
        daemons.signal(_API, signal.SIGCONT)
    return _API


def _store_pod() -> Any:
    return K8S.core.read_namespaced_pod(f"{release.STORE}-0", release.NAMESPACE)


def _store_killed(_scene: Scene, _fault: Fault) -> str:
    """Its data survives: the kubelet starts the container again in the same pod, later each time."""
    killed = signal_pod(_store_pod(), signal.SIGKILL)
    return f"{killed} processes" if killed else ""


def _store_down(_scene: Scene, fault: Fault) -> str:
    """It refuses connections: what the kubelet starts again is killed again until the time is over."""
    until = time.monotonic() + fault.seconds
    killed = 0
    while time.monotonic() < until:
        killed += signal_pod(_store_pod(), signal.SIGKILL)
        time.sleep(_BETWEEN_KILLS)
    return f"{killed} processes in {fault.seconds:.0f} s" if killed else ""


def _store_hangs(_scene: Scene, fault: Fault) -> str:
    with _frozen(_store_pod()):
        time.sleep(fault.seconds)
    return f"{fault.seconds:.0f} s"


@contextmanager
def _frozen(pod: Any) -> Iterator[int]:
    """So many processes of it."""
    found = signal_pod(pod, signal.SIGSTOP)
    try:
        yield found
    finally:
        signal_pod(pod, signal.SIGCONT)


def _chosen_pod(scene: Scene, fault: Fault) -> Any:
    running = scene.subject(fault).handle.running()
    return running[int(fault.draw * len(running))] if running else None


def _on_pod(act: Callable[[Scene, Fault, Any], object]) -> Callable[[Scene, Fault], str]:
    def injector(scene: Scene, fault: Fault) -> str:
        pod = _chosen_pod(scene, fault)
        if pod is None:
            return ""
        try:
            hit = act(scene, fault, pod)
        except ApiException:
            # It has ended since it was listed.
            return ""
        # A signal reaches so many processes: none, where they have just ended.
        return "" if hit == 0 else str(pod.metadata.name)

    return injector


def _forced(_scene: Scene, _fault: Fault, pod: Any) -> None:
    K8S.core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)


def _driver_frozen(scene: Scene, fault: Fault, pod: Any) -> int:
    scene.tampered.frozen.add(pod.metadata.uid)
    with _frozen(pod) as processes:
        time.sleep(LEASE_SECONDS + fault.seconds if processes else 0)
    return processes


def _checkpoint_torn(scene: Scene, fault: Fault, pod: Any) -> int:
    """Half of a file that the pod has saved; the next one has to notice, and to go on from what is whole."""
    attempts = (key for key in scene.eyes.look().keys or () if AIMS[fault.kind] in key and pod.metadata.uid in key)
    if not (keys := sorted(attempts)):
        return 0
    tear(scene.eyes, keys[int(fault.draw * len(keys))])
    return signal_pod(pod, signal.SIGKILL)


def _runs_added(scene: Scene, _fault: Fault) -> str:
    scene.experiment.change_runs()
    return f"{scene.experiment.runs} runs"


def _values_and_back(scene: Scene, fault: Fault) -> str:
    scene.experiment.change_values()
    time.sleep(fault.seconds)
    scene.experiment.apply()
    return f"for {fault.seconds:.1f} s"


def _suspended(scene: Scene, fault: Fault) -> str:
    scene.subject(fault).apply(suspend=True)
    time.sleep(fault.seconds)
    scene.subject(fault).apply()
    return f"for {fault.seconds:.1f} s"


def _retry_token(scene: Scene, fault: Fault) -> str:
    scene.subject(fault).renew_token()
    return f"token {scene.subject(fault).tokens}"


INJECTORS: dict[Kind, Callable[[Scene, Fault], str]] = {
    Kind.OPERATOR_KILLED: _operator_killed,
    Kind.OPERATOR_FROZEN: _operator_frozen,
    Kind.APISERVER_DOWN: _apiserver_down,
    Kind.APISERVER_HANGS: _apiserver_hangs,
    Kind.STORE_KILLED: _store_killed,
    Kind.STORE_DOWN: _store_down,
    Kind.STORE_HANGS: _store_hangs,
    Kind.POD_EVICTED: _on_pod(lambda _scene, _fault, pod: evict(pod)),
    Kind.POD_FORCED: _on_pod(_forced),
    Kind.POD_KILLED: _on_pod(lambda _scene, _fault, pod: signal_pod(pod, signal.SIGKILL)),
    Kind.DRIVER_FROZEN: _on_pod(_driver_frozen),
    Kind.CHECKPOINT_TORN: _on_pod(_checkpoint_torn),
    Kind.RUNS_ADDED: _runs_added,
    Kind.VALUES_AND_BACK: _values_and_back,
    Kind.SUSPENDED: _suspended,
    Kind.RETRY_TOKEN: _retry_token,
}
