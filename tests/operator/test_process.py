"""The operator's own process between kopf's watches and a real API server: started, killed, told to stop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune_dev.apiserver import ApiServer
from support.apiserver import until
from support.operator_process import OperatorProcess
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]
_SECONDS = 30


@pytest.fixture
def operator(api_server: ApiServer, world: World, tmp_path: Path) -> Iterator[OperatorProcess]:
    """The operator's process, which looks at this test's namespace only."""
    settings = {"FINETUNE_NAMESPACES": world.namespace, "FINETUNE_RESYNC_SECONDS": "1"}
    with OperatorProcess(api_server.kubeconfig, tmp_path / "log", **settings) as process:
        yield process


def test_an_applied_experiment_gets_one_job_also_when_the_operator_is_killed_and_started_again(
    world: World, operator: OperatorProcess
) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    until(lambda: bool(world.jobs("exp")), "the Job", _SECONDS)
    operator.kill()
    operator.start()
    world.apply("second", spec_of(world.server, {"rte": 1}))
    until(lambda: bool(world.jobs("second")), "the Job of a second experiment", _SECONDS)
    assert len(world.jobs("exp")) == 1


def test_a_jobs_change_is_followed_to_the_end(world: World, operator: OperatorProcess) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 2}))
    until(lambda: bool(world.jobs("exp")), "the Job", _SECONDS)
    world.finish(world.job("exp"))
    until(lambda: bool(world.jobs("exp", "report")), "the report Job", _SECONDS)
    world.play_report("exp")
    until(lambda: world.reason("exp") == "AllRunsSucceeded", "the end", _SECONDS)


def test_resources_carry_no_finalizers_and_no_annotations_of_kopf(world: World, operator: OperatorProcess) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    until(lambda: "conditions" in world.status("exp"), "a status", _SECONDS)
    world.finish(world.job("exp"))
    until(lambda: bool(world.jobs("exp", "report")), "the report Job", _SECONDS)
    for metadata in (world.resource("exp")["metadata"], *(job["metadata"] for job in world.jobs("exp"))):
        assert "finalizers" not in metadata
        assert not [name for name in metadata.get("annotations", {}) if "kopf" in name]


def test_health_and_metrics_answer(world: World, operator: OperatorProcess) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    until(lambda: "conditions" in world.status("exp"), "a status", _SECONDS)
    assert operator.get("/healthz") == (200, "ok")
    status, text = operator.get("/metrics")
    assert status == 200
    # Tried, then created.
    assert 'finetune_api_requests_total{resource="jobs",verb="POST"} 2.0' in text
    assert "finetune_living_experiments 1.0" in text


def test_told_to_stop_it_stops_within_seconds(world: World, operator: OperatorProcess) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    until(lambda: bool(world.jobs("exp")), "the Job", _SECONDS)
    assert operator.terminate(seconds=10) == 0


def test_the_jobs_of_a_namespace_that_terminates_are_deleted(
    api_server: ApiServer, world: World, tmp_path: Path
) -> None:
    """Without it, failing pods of a Job would hold the namespace up for minutes."""
    with OperatorProcess(api_server.kubeconfig, tmp_path / "log"):
        world.apply("exp", spec_of(world.server, {"rte": 1}))
        until(lambda: bool(world.jobs("exp")), "the Job", _SECONDS)
        world.core.delete_namespace(world.namespace)
        until(lambda: not world.jobs("exp"), "the Jobs to be deleted", _SECONDS)
