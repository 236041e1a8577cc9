"""Containers that others put into our pods, as a service mesh does, and that do not end by themselves."""

from pathlib import Path

import pytest

from e2e.harness import Experiments, condition_of, reason, spec
from e2e.injector import NAME, Injector

pytestmark = pytest.mark.timeout(400)

WITHIN_A_MINUTE = 60


def test_native_sidecars_end_with_the_run_and_with_the_report(
    experiment: Experiments, namespace: str, tmp_path: Path
) -> None:
    suite = experiment("native")
    with Injector(namespace, tmp_path, native=True):
        status = suite.apply(spec(["wnli"])).ends()

    assert reason(status) == "AllRunsSucceeded", suite.describe()
    assert {pod.metadata.labels["finetune.dev/role"] for pod in suite.pods()} >= {"train", "report"}
    for pod in suite.pods():
        assert NAME in {container.name for container in pod.spec.init_containers}
        assert pod.status.phase == "Succeeded"


def test_a_sidecar_that_goes_on_is_named_with_what_to_set_and_leaving_the_pods_out_ends_it(
    experiment: Experiments, namespace: str, tmp_path: Path
) -> None:
    suite = experiment("endless")
    with Injector(namespace, tmp_path, native=False):
        suite.apply(spec(["wnli"]))
        suite.until("its run to have its result", lambda _: bool(suite.results()))
        status = suite.until(
            "the sidecar to be named",
            lambda status: NAME in condition_of(status, "Succeeded").get("message", ""),
            seconds=WITHIN_A_MINUTE,
        )

    assert "restartPolicy: Always" in condition_of(status, "Succeeded")["message"]
    # As whoever adds it would leave these pods out: what is done is not done again.
    status = suite.apply(spec(["wnli"], execution={"podTemplate": {"labels": {"mesh": "none"}}})).ends()
    assert reason(status) == "AllRunsSucceeded", suite.describe()
    assert len(suite.attempts()) == len(suite.results()) == 1
