"""Whoever may edit one namespace reaches no other by the operator: not by a reference, a label or an annotation.

Everything is done in the name of a ServiceAccount that has the ClusterRole `edit` in its own namespace alone, by
kubectl's impersonation.
"""

import json
import time
from collections.abc import Iterator

import pytest
from kubernetes.client import ApiException

from e2e.attacker import Attacker, make_editor
from e2e.harness import API, ENDLESS, K8S, Experiment, Experiments, condition_of, spec, wait_until
from e2e.namespaces import fresh_namespace
from finetune_core.json_types import Json
from finetune_dev.errors import CommandError

pytestmark = pytest.mark.timeout(600)


SECRET_LINE = "the victim's line"
_LOOKS_SECONDS = 20
"""Time in which the operator looks several times at what it is told of by events."""


@pytest.fixture
def attacker(namespace: str) -> Iterator[Attacker]:
    """An attacker, and a victim's namespace with a Secret, a ConfigMap and a search."""
    make_editor(namespace)
    with fresh_namespace() as victim:
        K8S.core.create_namespaced_secret(
            victim,
            {
                "metadata": {"name": "prod-s3"},
                "stringData": {"AWS_ACCESS_KEY_ID": "VICTIMKEY", "AWS_SECRET_ACCESS_KEY": SECRET_LINE},
            },
        )
        prize = {"metadata": {"name": "prize"}, "data": {"ca.crt": SECRET_LINE, "tuned.yaml": SECRET_LINE}}
        K8S.core.create_namespaced_config_map(victim, prize)
        yield Attacker(namespace, victim)


def prize_stays(attacker: Attacker) -> bool:
    try:
        K8S.core.read_namespaced_config_map("prize", attacker.victim)
    except ApiException as error:
        if error.status == 404:
            return False
        raise
    return True


def manifest(attacker: Attacker, kind: str, name: str, fields: Json) -> Json:
    metadata = {"namespace": attacker.namespace, "name": name}
    space = {"space": {"learningRate": {"choice": [1e-3]}}, "trials": 1} if kind == "HPSearch" else {}
    shared = {"model": {"uri": "s3://finetune/none"}, "tasks": [{"name": "rte"}]}
    return {"apiVersion": "/".join(API), "kind": kind, "metadata": metadata, "spec": {**shared, **space, **fields}}


def references(victim: str) -> dict[str, Json]:
    """The attack through each reference, by its field."""
    secret, config_map = (f"../../{victim}/{path}" for path in ("secrets/prod-s3", "configmaps/prize"))
    search = f"../../{victim}/hpsearches/theirs"
    bucket = {"bucket": "bucket", "endpoint": "http://mallory.example:1"}
    return {
        "storage.secretRef.name": {"storage": {**bucket, "secretRef": {"name": secret}}},
        "storage.caBundle.name": {"storage": {**bucket, "caBundle": {"name": config_map, "key": "ca.crt"}}},
        "hyperparametersFrom.hpSearchRef.name": {"hyperparametersFrom": {"hpSearchRef": {"name": search}}},
        "hyperparametersFrom.configMapRef.name": {
            "hyperparametersFrom": {"configMapRef": {"name": config_map, "key": "tuned.yaml"}}
        },
        "tracking.secretRef.name": {"tracking": {"reportTo": ["wandb"], "secretRef": {"name": secret}}},
    }


@pytest.mark.parametrize("field", references("victim"))
def test_a_reference_to_another_namespace_is_refused_by_its_field(attacker: Attacker, field: str) -> None:
    said = attacker.refused(manifest(attacker, "FinetuneExperiment", "attack", references(attacker.victim)[field]))

    assert f"spec.{field}" in said
    assert SECRET_LINE not in said


@pytest.mark.parametrize("field", ["storage.secretRef.name", "storage.caBundle.name"])
def test_so_is_one_of_a_search(attacker: Attacker, field: str) -> None:
    said = attacker.refused(manifest(attacker, "HPSearch", "attack", references(attacker.victim)[field]))

    assert f"spec.{field}" in said


def test_the_account_reaches_its_own_namespace_alone(attacker: Attacker) -> None:
    assert attacker.kubectl("get", "finetuneexperiments") is not None
    with pytest.raises(CommandError, match="forbidden"):
        attacker.kubectl("get", "secrets", "--namespace", attacker.victim)


def test_a_job_with_our_labels_and_a_hostile_plan_deletes_nothing(attacker: Attacker, experiment: Experiments) -> None:
    mine = experiment("bait").apply(spec({"rte": {"training": ENDLESS}}))
    mine.until("its Job", lambda _: bool(mine.jobs()))
    for name, owners in (("stray", []), ("forged", [owner_of(mine)])):
        attacker.create(hostile_job(attacker, mine, name, owners))

    old = {job.metadata.name for job in mine.jobs()}
    # What has the operator retire Jobs: another revision of the spec.
    mine.apply(spec({"rte": {"training": ENDLESS}}, execution={"retryToken": "again"}))

    mine.until("the new Job", lambda _: any(job.metadata.name not in old for job in mine.jobs()))
    time.sleep(_LOOKS_SECONDS)
    assert prize_stays(attacker)
    stray = K8S.batch.read_namespaced_job("stray", attacker.namespace)
    # It is nobody's: neither stopped nor deleted.
    assert stray.metadata.deletion_timestamp is None
    assert stray.spec.suspend is True
    assert stray.spec.parallelism == 1
    assert SECRET_LINE not in json.dumps(mine.status())


def test_the_annotation_of_the_operators_own_job_deletes_nothing_either(
    attacker: Attacker, experiment: Experiments
) -> None:
    mine = experiment("bait").apply(spec({"rte": {"training": ENDLESS}}))
    mine.until("its Job", lambda _: bool(mine.jobs()))
    (job,) = mine.jobs()
    plan = f"finetune.dev/plan=../../{attacker.victim}/configmaps/prize"
    attacker.kubectl("annotate", "--overwrite", f"job/{job.metadata.name}", plan)

    # Nobody can tell which runs the Job does, so it is stopped and replaced.
    wait_until(
        "the Job to be replaced",
        lambda: all(one.metadata.uid != job.metadata.uid for one in mine.jobs()) and bool(mine.jobs()),
        hint=mine.describe,
    )
    assert prize_stays(attacker)


def test_a_terminating_namespace_takes_no_other_job_along(attacker: Attacker, experiment: Experiments) -> None:
    mine = experiment("bait").apply(spec({"rte": {"training": ENDLESS}}))
    mine.until("its Job", lambda _: bool(mine.jobs()))
    mine.until("it to be valid", lambda status: condition_of(status, "Valid").get("status") == "True")
    K8S.core.delete_namespace(attacker.namespace)
    wait_until("the Jobs of the namespace to be gone", lambda: not mine.jobs(), hint=mine.describe)
    assert prize_stays(attacker)


def owner_of(mine: Experiment) -> Json:
    """A reference that says that the experiment controls an object: anybody who may create one can write it."""
    return {
        "apiVersion": "/".join(API),
        "kind": mine.kind,
        "name": mine.name,
        "uid": mine.resource()["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }


def hostile_job(attacker: Attacker, mine: Experiment, name: str, owners: list[Json]) -> Json:
    """A suspended Job of the attacker's own that looks like one of the experiment's."""
    labels = {
        "app.kubernetes.io/managed-by": "finetune-operator",
        "finetune.dev/experiment": mine.name,
        "finetune.dev/role": "train",
    }
    container = {"name": "trainer", "image": "none.invalid/none", "command": ["true"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": attacker.namespace,
            "labels": labels,
            "annotations": {
                "finetune.dev/plan": f"../../{attacker.victim}/configmaps/prize",
                "finetune.dev/revision": "old",
                "finetune.dev/round": "0",
            },
            "ownerReferences": owners,
        },
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }
