"""The health rules of docs/how-to/gitops.md for Argo CD (Lua) and Flux (CEL), for every reason that there is.

And what kstatus, the library by which Flux and kpt know objects, makes of them without any rule.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import celpy
import lupa
import pytest
import yaml
from celpy.adapter import json_to_cel

from finetune_core.api.status import ConditionStatus, Reason
from finetune_core.json_types import Json
from finetune_dev import binaries
from support.doc_pages import REPOSITORY

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN

INVALID = {
    Reason.INVALID_SPEC,
    Reason.INPUT_NOT_FOUND,
    Reason.KUBERAY_MISSING,
    Reason.KUBERAY_TOO_OLD,
    Reason.SECRET_NOT_FOUND,
    Reason.STORAGE_REFUSED,
    Reason.REJECTED,
    Reason.SEARCH_CHANGED,
}
"""Reasons of `Valid` False."""
GOOD = {Reason.ALL_RUNS_SUCCEEDED, Reason.SOME_RUNS_FAILED, Reason.ALL_TRIALS_ENDED, Reason.SOME_TRIALS_FAILED}
BAD = {Reason.TASK_FAILED, Reason.REPORT_FAILED, Reason.BUDGET_SPENT}
TROUBLE = {Reason.BLOCKED, Reason.STALLED, Reason.STORAGE_UNAVAILABLE, Reason.INTERNAL_ERROR}
IDLE = {Reason.SUSPENDED}
BUSY = {
    Reason.PENDING,
    Reason.RESOLVING_INPUTS,
    Reason.WAITING_FOR_HYPERPARAMETERS,
    Reason.QUEUED,
    Reason.RUNNING,
    Reason.REPLACING_JOB,
    Reason.REPORTING,
    Reason.PUBLISHING,
}
OTHERS = {
    Reason.ACCEPTED,
    Reason.CHECKING,
    Reason.NOT_REQUESTED,
    Reason.WAITING_FOR_RUNS,
    Reason.WAITING_FOR_TRIALS,
    Reason.WAITING_FOR_REPORT,
    Reason.PUBLISHED,
    Reason.PUBLISH_FAILED,
    Reason.COMPLETE,
    Reason.WITH_PLACEHOLDERS,
    Reason.TASKS_MISSING,
    Reason.EXPORTED,
    Reason.NOTHING_TO_EXPORT,
    Reason.CREATES_REPEATEDLY,
    Reason.DELIVERY_FAILED,
    Reason.DELIVERY_GIVEN_UP,
}
"""Reasons of conditions that decide no health, and of `Valid` where it is not False."""


def test_every_reason_that_there_is_has_its_health_here() -> None:
    groups = [INVALID, GOOD, BAD, TROUBLE, IDLE, BUSY, OTHERS]
    assert set().union(*groups) == set(Reason)
    assert sum(map(len, groups)) == len(Reason)


def blocks(kind: str) -> Iterator[Json]:
    text = (REPOSITORY / "docs" / "how-to" / "gitops.md").read_text()
    for block in text.split("```yaml\n")[1:]:
        manifest = yaml.safe_load(block.partition("```")[0])
        if manifest["kind"] == kind:
            yield manifest


def object_of(succeeded: ConditionStatus, reason: Reason, *, valid: ConditionStatus = TRUE) -> Json:
    conditions = [
        {"type": "Valid", "status": valid, "reason": "Accepted", "message": "valid message"},
        {"type": "Succeeded", "status": succeeded, "reason": reason.value, "message": "m"},
        {"type": "LeaderboardReady", "status": FALSE, "reason": "NotRequested", "message": "n"},
    ]
    return {"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "conditions": conditions}}


NEW = {"metadata": {"generation": 1}}
CHANGED = {**object_of(TRUE, Reason.ALL_RUNS_SUCCEEDED), "metadata": {"generation": 3}}
CASES = [
    *((object_of(FALSE, Reason.INVALID_SPEC, valid=FALSE), "Degraded", "Failed", reason) for reason in INVALID),
    # KubeRay may still be installed.
    (object_of(UNKNOWN, Reason.KUBERAY_MISSING, valid=FALSE), "Degraded", "Failed", Reason.KUBERAY_MISSING),
    *((object_of(TRUE, reason), "Healthy", "Current", reason) for reason in GOOD),
    *((object_of(FALSE, reason), "Degraded", "Failed", reason) for reason in BAD),
    *((object_of(UNKNOWN, reason), "Degraded", "InProgress", reason) for reason in TROUBLE),
    *((object_of(UNKNOWN, reason), "Suspended", "InProgress", reason) for reason in IDLE),
    *((object_of(UNKNOWN, reason), "Progressing", "InProgress", reason) for reason in BUSY),
    # What runs goes on.
    (object_of(UNKNOWN, Reason.BUDGET_SPENT), "Progressing", "InProgress", Reason.BUDGET_SPENT),
    (object_of(UNKNOWN, Reason.PENDING, valid=UNKNOWN), "Progressing", "InProgress", Reason.PENDING),
    (CHANGED, "Progressing", "InProgress", Reason.ALL_RUNS_SUCCEEDED),
]
CASES.sort(key=lambda case: (case[1], case[2], case[3].value))


@pytest.mark.parametrize("kind", ["FinetuneExperiment", "HPSearch"])
@pytest.mark.parametrize(("item", "argo", "_flux", "_reason"), CASES)
def test_argo_cd_shows_the_health_of_each_reason(item: Json, argo: str, _flux: str, _reason: Reason, kind: str) -> None:
    assert argo_health(item, kind)["status"] == argo


@pytest.mark.parametrize("kind", ["FinetuneExperiment", "HPSearch"])
def test_argo_cd_waits_for_the_first_look(kind: str) -> None:
    assert argo_health(NEW, kind)["status"] == "Progressing"


def test_argo_cd_shows_the_operators_words() -> None:
    assert argo_health(object_of(FALSE, Reason.TASK_FAILED), "HPSearch")["message"] == "TaskFailed: m"
    invalid = object_of(FALSE, Reason.INVALID_SPEC, valid=FALSE)
    assert argo_health(invalid, "FinetuneExperiment")["message"] == "valid message"


@pytest.mark.parametrize("kind", ["FinetuneExperiment", "HPSearch"])
@pytest.mark.parametrize(("item", "_argo", "flux", "_reason"), CASES)
def test_flux_waits_for_the_end_of_each_reason(item: Json, _argo: str, flux: str, _reason: Reason, kind: str) -> None:
    assert flux_health(item, kind) == flux


def argo_health(item: Json, kind: str) -> Json:
    """As Argo CD asks: `obj` is the object, the script returns a table."""
    (config,) = blocks("ConfigMap")
    lua = lupa.LuaRuntime()
    lua.globals().obj = lua.table_from(item, recursive=True)
    return dict(lua.execute(config["data"][f"resource.customizations.health.finetune.dev_{kind}"]))


def flux_health(item: Json, kind: str) -> str:
    """As Flux asks, in its order: failed, then current (https://fluxcd.io/flux/components/kustomize/kustomizations)."""
    (manifest,) = blocks("Kustomization")
    (rules,) = (rules for rules in manifest["spec"]["healthCheckExprs"] if rules["kind"] == kind)
    for field, health in (("failed", "Failed"), ("current", "Current")):
        environment = celpy.Environment()
        program = environment.program(environment.compile(rules[field]))
        if program.evaluate({name: json_to_cel(item[name]) for name in ("metadata", "status")}):
            return health
    return "InProgress"


@pytest.fixture(scope="module")
def by_kstatus() -> dict[str, str]:
    """What kstatus says of every object here, by the object as JSON; built once, then cached."""
    objects = [
        {**item, "apiVersion": "finetune.dev/v1alpha1", "kind": "HPSearch"} for item in (NEW, *map(first, CASES))
    ]
    program = binaries.ensure("kstatus")
    told = subprocess.run([program], input=json.dumps(objects), capture_output=True, text=True, check=True).stdout
    return dict(zip(map(json.dumps, (NEW, *map(first, CASES))), json.loads(told), strict=True))


def first(case: tuple[Any, ...]) -> Json:
    return case[0]


@pytest.mark.parametrize(("item", "_argo", "_flux", "_reason"), CASES)
def test_without_rules_flux_takes_whatever_the_operator_has_looked_at_for_ready(
    by_kstatus: dict[str, str], item: Json, _argo: str, _flux: str, _reason: Reason
) -> None:
    seen = item["status"]["observedGeneration"] == item["metadata"]["generation"]
    assert by_kstatus[json.dumps(item)] == ("Current" if seen else "InProgress")


def test_without_rules_flux_takes_a_new_object_for_ready_too(by_kstatus: dict[str, str]) -> None:
    assert by_kstatus[json.dumps(NEW)] == "Current"
