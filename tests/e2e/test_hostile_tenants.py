"""One namespace does all that could take the operator from the others, for minutes: these notice nothing.

All at once and again and again: small texts that unfold, stores that send a byte every 4 s, a bucket of a million
objects, documents of 1.5 GB. Each ends in a condition that names its field, within a minute, while another namespace's
new experiments get their Jobs. Everything is done in the name of an account that has `edit` in its own namespace alone;
its store is a pod of its own.

HOSTILE_MINUTES says how long (`make e2e-hostile`: 10).
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import pytest

import support.hostile_store
from e2e.attacker import Attacker, make_editor
from e2e.harness import API, K8S, Experiment, Experiments, condition_of, operator_pod, spec, wait_until
from e2e.namespaces import fresh_namespace
from e2e.pods import PORT, is_ready, peak_mib, server_manifests
from finetune_core.json_types import Json
from finetune_dev.image.catalogue import OPERATOR
from support.hostile_tenants import CONFIG_MAPS, KEYS, NOWHERE, Hostile, config_map, hostiles

MINUTES = float(os.environ.get("HOSTILE_MINUTES", "1.5"))
pytestmark = [pytest.mark.alone, pytest.mark.timeout(600 + 60 * MINUTES)]


LIMIT_MIB = 512
"""The limit of the operator's memory in the chart's values."""
A_MINUTE = 60.0
_EVERY = 5.0
_AGAIN_EVERY = 90.0
"""Longer than two looks at a store like tar: an object that changes during a look has no status written of it."""

_SERVER = "store"


@dataclass
class Seen:
    """What is measured: seconds until a Job is there, and until a hostile object is told what is wrong."""

    jobs: list[float] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)
    peaks: list[int] = field(default_factory=list)
    restarts: set[tuple[str, int]] = field(default_factory=set)

    def look_at_operator(self) -> None:
        pod = operator_pod()
        self.restarts.add((pod.metadata.uid, pod.status.container_statuses[0].restart_count))
        self.peaks.append(peak_mib(pod))

    def __str__(self) -> str:
        told = max(self.told.values(), default=0)
        p99 = quantiles(self.jobs, n=100)[98]
        return (
            f"| {len(self.jobs)} | {median(self.jobs):.2f} | {p99:.2f} | {max(self.jobs):.2f} | {told:.1f} | "
            f"{max(self.peaks)} | {len(self.restarts) - 1} |"
        )


@pytest.fixture
def mallory(store: object) -> Iterator[Attacker]:
    """The attacker's namespace, with their store at work."""
    with fresh_namespace() as namespace:
        make_editor(namespace)
        attacker = Attacker(namespace)
        script = Path(support.hostile_store.__file__).read_text(encoding="utf-8")
        command = ["/opt/venv/bin/python", "/files/store.py", str(PORT)]
        keys = {"AWS_ACCESS_KEY_ID": "mallory", "AWS_SECRET_ACCESS_KEY": "any"}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEYS}, "stringData": keys}
        server = server_manifests(namespace, _SERVER, OPERATOR.reference, command, {"store.py": script})
        attacker.apply(secret, *server, *map(config_map, CONFIG_MAPS))
        wait_until("the attacker's store", lambda: is_ready(namespace, _SERVER))
        yield attacker


def test_the_others_notice_nothing(mallory: Attacker, experiment: Experiments) -> None:
    attack = hostiles(f"http://{_SERVER}.{mallory.namespace}.svc:{PORT}")
    seen = Seen()
    seen.look_at_operator()
    try:
        live_beside(mallory, attack, experiment, seen)
    finally:
        print(f"\njobs, p50, p99, longest s, told s, peak MiB, restarts\n{seen}")
    assert len(seen.restarts) == 1, f"the operator was restarted: {seen.restarts}"
    assert max(seen.jobs) < A_MINUTE, seen.jobs
    assert max(seen.told.values()) <= A_MINUTE, seen.told
    assert max(seen.peaks) < LIMIT_MIB


def live_beside(mallory: Attacker, attack: dict[str, Hostile], experiment: Experiments, seen: Seen) -> None:
    """Have an experiment every few seconds, as long as the attack goes on."""
    apply_all(mallory, attack, "0")
    began = last = time.monotonic()
    while time.monotonic() - began < 60 * MINUTES:
        next_one = time.monotonic() + _EVERY
        seen.jobs.append(seconds_to_job(experiment(f"one-{len(seen.jobs)}")))
        seen.told |= newly_told(mallory, attack, seen, time.monotonic() - began)
        seen.look_at_operator()
        if time.monotonic() - last > _AGAIN_EVERY:
            assert not attack.keys() - seen.told.keys(), missing(mallory, attack, seen)
            last = time.monotonic()
            apply_all(mallory, attack, str(len(seen.jobs)))
        time.sleep(max(0.0, next_one - time.monotonic()))
    assert not attack.keys() - seen.told.keys(), missing(mallory, attack, seen)


def apply_all(mallory: Attacker, attack: dict[str, Hostile], token: str) -> None:
    """Have each object looked at again from the beginning: a changed spec is news."""
    mallory.apply(*(manifest(name, hostile, token) for name, hostile in attack.items()))


def manifest(name: str, hostile: Hostile, token: str) -> Json:
    execution = {**hostile.spec["execution"], "retryToken": token}
    made = {"apiVersion": "/".join(API), "kind": "FinetuneExperiment", "metadata": {"name": name}}
    return {**made, "spec": {**hostile.spec, "execution": execution}}


def seconds_to_job(mine: Experiment) -> float:
    """Apply an experiment, wait for its Job, and delete it again: its pod would wait for ever."""
    began = time.monotonic()
    body = mine.manifest(spec({"rte": {}}, execution=NOWHERE))
    K8S.custom.create_namespaced_custom_object(*API, mine.namespace, mine.plural, body)
    wait_until("its Job", lambda: bool(mine.jobs()), seconds=2 * A_MINUTE, hint=mine.describe)
    took = time.monotonic() - began
    K8S.custom.delete_namespaced_custom_object(*API, mine.namespace, mine.plural, mine.name)
    return took


def newly_told(mallory: Attacker, attack: dict[str, Hostile], seen: Seen, now: float) -> dict[str, float]:
    """Objects whose status says by now what is wrong with them."""
    listed = K8S.custom.list_namespaced_custom_object(*API, mallory.namespace, Experiment.plural)["items"]
    statuses = {item["metadata"]["name"]: item.get("status") or {} for item in listed}
    open_ = [name for name in attack if name not in seen.told]
    return {name: now for name in open_ if says(attack[name], statuses.get(name, {}))}


def says(hostile: Hostile, status: Json) -> bool:
    condition = condition_of(status, hostile.type)
    return condition.get("reason") == hostile.reason and hostile.words in condition["message"]


def missing(mallory: Attacker, attack: dict[str, Hostile], seen: Seen) -> str:
    """What the objects say that do not say what they should."""
    listed = K8S.custom.list_namespaced_custom_object(*API, mallory.namespace, Experiment.plural)["items"]
    open_ = [item for item in listed if item["metadata"]["name"] in attack.keys() - seen.told.keys()]
    return json.dumps([{item["metadata"]["name"]: item.get("status")} for item in open_], indent=1)
