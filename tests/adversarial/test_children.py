"""What labels and annotations say can be written by anybody who may edit the namespace: nothing is aimed by them.

On the fake API server that records; tests/e2e/test_namespaces.py has the same on a real cluster.
"""

import copy
import json
from typing import Any

import pytest

from finetune_core.api.crd import GROUP
from finetune_core.json_types import Json
from finetune_kube import names
from finetune_kube.kinds import CONFIG_MAP, EXPERIMENT, JOB, POD, RAY_JOB
from finetune_operator.config import Config
from finetune_operator.handlers import owner_of
from finetune_operator.leadership import Alone
from finetune_operator.service import Service
from finetune_operator.telemetry import Telemetry
from support.hostile import HOSTILE
from support.hostile_place import BASES, Place, collection

CHANGES = frozenset({"PATCH", "PUT", "DELETE"})
OURS = {**names.OURS, EXPERIMENT.label: "one"}


def started(place: Place, **execution: Any) -> None:
    """An experiment with a training Job."""
    place.put("FinetuneExperiment", {**BASES["FinetuneExperiment"], "execution": execution})
    place.look("FinetuneExperiment", 2)


def children(place: Place) -> list[str]:
    """Paths of what the operator made, without events."""
    kinds = (JOB, RAY_JOB, CONFIG_MAP)
    return [
        path
        for path, item in place.api.objects.items()
        if any(path.startswith(collection(kind) + "/") for kind in kinds) and "ownerReferences" in item["metadata"]
    ]


def marks(item: Json) -> list[tuple[str, str]]:
    """Every label and annotation of an object."""
    return [(part, key) for part in ("labels", "annotations") for key in item["metadata"].get(part) or {}]


def changed(place: Place) -> list[str]:
    """What the operator changed or deleted, by path."""
    return [request.path for request in place.api.requests if request.verb in CHANGES]


def own_job(place: Place, name: str = "mine", **metadata: Any) -> str:
    """A Job of the user's own with our labels; its path."""
    labels = {**OURS, names.ROLE_LABEL: "train"}
    metadata = {"name": name, "labels": labels, **metadata}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"completions": 1, "template": {}}}
    place.api.put(collection(JOB), job)
    return f"{collection(JOB)}/{name}"


@pytest.mark.parametrize("mode", ["Jobs", "RayCluster"])
def test_every_label_and_annotation_of_a_child_may_hold_anything(place: Place, mode: str) -> None:
    started(place, mode=mode)
    before = copy.deepcopy(place.api.objects)
    made = children(place)
    assert len(made) == 2
    for path in made:
        for part, key in marks(before[path]):
            for text in HOSTILE:
                place.api.objects.clear()
                place.api.objects.update(copy.deepcopy(before))
                place.api.objects[path]["metadata"][part][key] = text
                place.reconcilers["FinetuneExperiment"]._memories.forget("team", "one")
                place.look("FinetuneExperiment", 2)
                assert place.held(EXPERIMENT)["status"]["conditions"]
    assert place.api.foreign() == []


@pytest.mark.parametrize("key", sorted({names.INDEX_ANNOTATION, names.JOB_NAME_LABEL, *OURS, names.ROLE_LABEL}))
def test_so_may_those_of_a_pod(place: Place, key: str) -> None:
    started(place)
    job = next(item for path, item in place.api.objects.items() if path.startswith(collection(JOB)))
    job["status"] = {"active": 1, "ready": 0}
    for text in HOSTILE:
        labels = {**OURS, names.ROLE_LABEL: "train", names.JOB_NAME_LABEL: job["metadata"]["name"]}
        metadata: Json = {"name": "pod", "labels": labels, "annotations": {names.INDEX_ANNOTATION: "0"}}
        metadata["annotations" if key in metadata["annotations"] else "labels"][key] = text
        deep = "[" * 4000
        ended = {
            "containerStatuses": [{"name": "trainer", "state": {"terminated": {"exitCode": 1, "message": deep}}}],
            "phase": "Failed",
        }
        place.api.put(collection(POD), {"metadata": metadata, "status": ended})
        place.look("FinetuneExperiment", 2)
    assert place.api.foreign() == []


@pytest.mark.parametrize("plan", HOSTILE)
def test_a_job_of_the_users_own_leads_to_no_deletion(place: Place, plan: str) -> None:
    path = own_job(place, annotations={names.PLAN_ANNOTATION: plan})
    started(place)
    place.look("FinetuneExperiment", 2)
    assert path in place.api.objects
    assert not [changes for changes in changed(place) if not changes.endswith("/finetuneexperiments/one/status")]
    assert place.api.foreign() == []
    # It does not count either: the experiment has a Job of its own.
    assert sum(one.startswith(collection(JOB) + "/") for one in place.api.objects) == 2


def test_nor_does_one_that_names_another_config_map_of_the_namespace(place: Place) -> None:
    started(place)
    job = next(item for path, item in place.api.objects.items() if path.startswith(collection(JOB)))
    place.api.put(collection(CONFIG_MAP), {"metadata": {"name": "theirs"}, "data": {"plan.json": "{}"}})
    job["metadata"]["annotations"][names.PLAN_ANNOTATION] = "theirs"
    place.edit("FinetuneExperiment", {**BASES["FinetuneExperiment"], "execution": {"image": "other"}})
    job["status"] = {"active": 0}
    job["spec"]["suspend"] = True
    place.look("FinetuneExperiment", 3)
    assert f"{collection(CONFIG_MAP)}/theirs" in place.api.objects
    assert not any(path.endswith("/configmaps/theirs") for path in changed(place))
    assert not any(request.path.endswith("/configmaps/theirs") for request in place.api.requests)


def test_a_plan_with_the_right_name_that_is_not_ours_is_neither_believed_nor_deleted(place: Place) -> None:
    started(place)
    (job,) = [item for path, item in place.api.objects.items() if path.startswith(collection(JOB))]
    path = f"{collection(CONFIG_MAP)}/{job['metadata']['annotations'][names.PLAN_ANNOTATION]}"
    del place.api.objects[path]["metadata"]["ownerReferences"]
    job["spec"]["suspend"] = True
    place.reconcilers["FinetuneExperiment"]._memories.forget("team", "one")
    place.look("FinetuneExperiment", 2)
    assert path in place.api.objects
    # Nobody can tell which runs the Job does, so it makes room.
    assert any(request.verb == "DELETE" and "/jobs/" in request.path for request in place.api.requests)


def test_a_plan_that_was_changed_is_not_believed(place: Place) -> None:
    started(place)
    (job,) = [item for path, item in place.api.objects.items() if path.startswith(collection(JOB))]
    path = f"{collection(CONFIG_MAP)}/{job['metadata']['annotations'][names.PLAN_ANNOTATION]}"
    content = json.loads(place.api.objects[path]["data"]["plan.json"])
    place.api.objects[path]["data"]["plan.json"] = json.dumps({**content, "retries": 99})
    place.reconcilers["FinetuneExperiment"]._memories.forget("team", "one")
    place.look("FinetuneExperiment", 2)
    assert any("/jobs/" in changes for changes in changed(place))
    assert path in place.api.objects


@pytest.mark.parametrize("kind", [JOB, CONFIG_MAP], ids=lambda kind: kind.kind)
def test_a_name_that_somebody_else_has_taken_is_told(place: Place, kind: Any) -> None:
    started(place)
    path = next(path for path in children(place) if path.startswith(collection(kind)))
    taken = place.api.objects[path]
    for made in children(place):
        del place.api.objects[made]
    place.reconcilers["FinetuneExperiment"]._memories.forget("team", "one")
    place.api.objects[path] = {**taken, "metadata": {"name": taken["metadata"]["name"], "uid": "theirs"}}
    place.look("FinetuneExperiment")
    conditions = {one["type"]: one for one in place.held(EXPERIMENT)["status"]["conditions"]}
    assert conditions["Succeeded"]["reason"] == "Blocked"
    assert (
        f"{kind.kind} {taken['metadata']['name']} exists and is not of this experiment"
        in (conditions["Succeeded"]["message"])
    )
    assert place.api.objects[path]["metadata"]["uid"] == "theirs"


def test_what_is_deleted_or_patched_is_named_by_its_uid(place: Place) -> None:
    started(place, parallelism=1)
    place.edit("FinetuneExperiment", {**BASES["FinetuneExperiment"], "execution": {"image": "other"}})
    (job,) = [item for path, item in place.api.objects.items() if path.startswith(collection(JOB))]
    job["status"] = {"active": 1}
    place.look("FinetuneExperiment")
    job = place.held(JOB, job["metadata"]["name"])
    assert job["spec"]["suspend"] is True
    job["status"] = {"active": 0}
    place.look("FinetuneExperiment")
    bodies = {(one.verb, one.path.split("/")[-2]): one.body for one in place.api.requests if one.verb in CHANGES}
    uid = job["metadata"]["uid"]
    assert (bodies["PATCH", "jobs"] or {})["metadata"]["uid"] == uid
    assert (bodies["DELETE", "jobs"] or {})["preconditions"]["uid"] == uid
    assert "resourceVersion" in (bodies["DELETE", "jobs"] or {})["preconditions"]
    assert "uid" in (bodies["DELETE", "configmaps"] or {})["preconditions"]


def test_a_terminating_namespace_keeps_the_jobs_of_others(place: Place) -> None:
    started(place)
    path = own_job(place)
    service = Service(place.cluster, Config(trainer_image="none"), Telemetry(), Alone())
    service._delete_jobs("team")
    service._connector.close()
    assert [one for one in place.api.objects if one.startswith(collection(JOB) + "/")] == [path]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_label_that_names_no_object_has_none_looked_at(name: str) -> None:
    assert owner_of({f"{GROUP}/experiment": name}) is None
