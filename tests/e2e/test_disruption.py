"""Killed operators, evicted pods, a store that is down, namespaces that go away: nothing is lost or done twice."""

import random
import signal
import time
from collections.abc import Iterator

import pytest

from e2e.harness import (
    ENDLESS,
    K8S,
    SHORT,
    Experiment,
    Experiments,
    Upgrade,
    condition_of,
    ended,
    evict,
    kill_operator,
    operator_pod,
    operator_ready,
    reason,
    signal_pod,
    spec,
    wait_until,
)
from e2e.namespaces import delete_namespace, fresh_namespace, namespace_exists
from finetune_core.results.run import RunResult
from finetune_dev import release
from finetune_store import Store
from support.checkpoints import POINTER

pytestmark = pytest.mark.timeout(600)

TEN_RUNS = spec(["wnli"], runs=10, retention={"models": "None"})


@pytest.fixture(scope="module")
def undisturbed(store: Store) -> Iterator[Experiment]:
    """Ten short runs, a pod each, that nobody disturbed."""
    with fresh_namespace() as namespace:
        yield finish_well(Experiment(namespace, "ten", store))


def finish_well(experiment: Experiment) -> Experiment:
    assert reason(experiment.apply(TEN_RUNS).ends()) == "AllRunsSucceeded", experiment.describe()
    return experiment


def outcome(result: RunResult) -> tuple[int, float | None, int, tuple[tuple[str, float | None], ...]]:
    return result.run, result.value, result.step, tuple(sorted(result.metrics.items()))


@pytest.mark.alone
def test_an_operator_killed_ten_times_brings_an_experiment_to_the_same_end(
    undisturbed: Experiment, experiment: Experiments
) -> None:
    moments = random.Random(0)
    suite = experiment("ten").apply(TEN_RUNS)
    jobs: set[str] = set()
    kills = 0
    while kills < 10:
        # The point of the test are moments that nothing announces; between them the operator gets to work or not.
        time.sleep(moments.uniform(0, 8))
        jobs |= {job.metadata.uid for job in (*suite.jobs(), *suite.jobs("report"))}
        kill_operator()
        kills += 1
    wait_until("an operator to be back", operator_ready)

    assert reason(suite.ends()) == "AllRunsSucceeded"
    jobs |= {job.metadata.uid for job in (*suite.jobs(), *suite.jobs("report"))}
    assert len(jobs) == 2, "one training Job and one report Job"
    assert {run: len(pods) for run, pods in suite.attempts().items()} == dict.fromkeys(suite.results(), 1)
    ours = {run: outcome(result) for run, result in suite.results().items()}
    assert ours == {run: outcome(result) for run, result in undisturbed.results().items()}
    same = ("runs", "tasks", "score")
    assert [_without_uris(suite.status()[key]) for key in same] == [
        _without_uris(undisturbed.status()[key]) for key in same
    ]


def _without_uris(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_uris(inner) for key, inner in value.items() if key != "uri"}
    return [_without_uris(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.alone
def test_an_upgrade_of_the_chart_disturbs_nothing_that_runs_and_the_next_job_has_it(
    experiment: Experiments, upgraded: Upgrade
) -> None:
    suite = experiment("at-work").apply(spec(["wnli"], runs=2, training=ENDLESS))
    suite.until("its runs to be at work", lambda _: len(suite.running()) == 2 and suite.step() > 0)
    before = _of_jobs(suite)
    operator = operator_pod().metadata.uid

    upgraded("logFormat=text,trainerImage.pullPolicy=Never")

    assert operator_pod().metadata.uid != operator
    later = experiment("later").apply(spec(["wnli"]))
    assert reason(later.ends()) == "AllRunsSucceeded", later.describe()
    assert _of_jobs(suite) == before
    (job,) = later.jobs()
    assert job.spec.template.spec.containers[0].image_pull_policy == "Never"


def _of_jobs(suite: Experiment) -> tuple[set[tuple[str, int]], set[str]]:
    """Uid and generation of its Jobs, and uids of the pods that run."""
    jobs = {(job.metadata.uid, job.metadata.generation) for job in suite.jobs()}
    return jobs, {pod.metadata.uid for pod in suite.running()}


@pytest.mark.alone  # only that its undisturbed runs are those of the test above
def test_ten_runs_in_one_pod_are_the_same_runs_as_in_ten_pods(undisturbed: Experiment, store: Store) -> None:
    with fresh_namespace() as namespace:
        together = Experiment(namespace, "ten", store)
        together.apply({**TEN_RUNS, "execution": {**TEN_RUNS["execution"], "runsPerPod": 10}})

        assert reason(together.ends()) == "AllRunsSucceeded"

        assert len({pod for pods in together.attempts().values() for pod in pods}) == 1
        ours = {run: outcome(result) for run, result in together.results().items()}
        assert ours == {run: outcome(result) for run, result in undisturbed.results().items()}


def test_an_evicted_run_goes_on_from_its_checkpoint_and_costs_no_retry(experiment: Experiments) -> None:
    steps = {**SHORT, "maxSteps": 1500, "evalSteps": 500}
    suite = experiment("evicted").apply(
        spec(["wnli"], training=steps, execution={"retries": 0, "checkpointIntervalSeconds": 5})
    )
    suite.until("the run to be at work", lambda _: suite.step() > 0)
    evict(suite.running()[0])

    assert reason(suite.ends()) == "AllRunsSucceeded"

    (result,) = suite.results().values()
    assert result.attempts == 2
    assert result.resumed_from
    assert result.last_step == 1500
    assert result.evaluations == 3
    (job,) = suite.jobs()
    assert job.status.failed in {None, 0} or not job.status.failed_indexes


@pytest.mark.alone
def test_a_store_that_is_down_for_a_minute_is_waited_for(experiment: Experiments) -> None:
    suite = experiment("outage").apply(spec(["wnli"], runs=6, training={**SHORT, "maxSteps": 300, "evalSteps": 100}))
    suite.until("the first run to end", lambda status: status.get("runs", {}).get("succeeded", 0) >= 1)
    pod = K8S.core.read_namespaced_pod(f"{release.STORE}-0", release.NAMESPACE)
    began = time.monotonic()
    assert signal_pod(pod, signal.SIGSTOP)
    try:
        status = suite.until("status to say why", lambda status: reason(status) == "StorageUnavailable", seconds=110)
        assert "Runs go on by themselves" in condition_of(status, "Succeeded")["message"]
        assert status["runs"]["succeeded"] >= 1, "what was known stays"
        wait_until("the minute to be over", lambda: time.monotonic() - began > 60)
        assert not ended(suite.status())
    finally:
        signal_pod(K8S.core.read_namespaced_pod(f"{release.STORE}-0", release.NAMESPACE), signal.SIGCONT)

    status = suite.ends(seconds=300)

    assert reason(status) == "AllRunsSucceeded"
    assert len(suite.results()) == 6
    assert {run: len(pods) for run, pods in suite.attempts().items()} == dict.fromkeys(suite.results(), 1)


def test_suspend_resume_and_parallelism_act_on_the_live_job(experiment: Experiments) -> None:
    def asked(**execution: object) -> dict[str, object]:
        return spec(["wnli"], runs=3, training=ENDLESS, execution={"checkpointIntervalSeconds": 5, **execution})

    suite = experiment("paused").apply(asked(parallelism=1))
    suite.until("a run to be at work", lambda _: suite.step() > 0)
    (job,) = suite.jobs()

    suite.apply(asked(parallelism=2))
    suite.until("a second pod", lambda _: len(suite.running()) == 2)
    suite.apply(asked(parallelism=2, suspend=True))
    suite.until("all pods to end", lambda status: reason(status) == "Suspended" and not suite.running())
    suite.apply(asked(parallelism=2))
    suite.until("the pods to be back", lambda _: len(suite.running()) == 2)

    assert [found.metadata.uid for found in suite.jobs()] == [job.metadata.uid]
    assert any(map(POINTER.fullmatch, suite.stored("runs")))


FAILING = {"podTemplate": {"env": [{"name": "PYTHONHOME", "value": "/nowhere"}]}, "retries": 10}


@pytest.mark.parametrize("execution", [{}, FAILING], ids=["running", "failing"])
def test_a_namespace_deleted_in_mid_run_is_gone_within_a_minute(store: Store, execution: dict[str, object]) -> None:
    with fresh_namespace() as namespace:
        suite = Experiment(namespace, "doomed", store)
        suite.apply(
            spec(["wnli", "rte"], training=ENDLESS, execution={"terminationGracePeriodSeconds": 20, **execution})
        )
        if execution:
            wait_until("pods to fail", lambda: any(pod.status.phase == "Failed" for pod in suite.pods()))
        else:
            wait_until("pods to be at work", lambda: suite.step() > 0)

        K8S.core.delete_namespace(namespace)

        wait_until("the namespace to be gone", lambda: not namespace_exists(namespace), seconds=60)


def test_the_operator_serves_other_namespaces_after_one_was_deleted(experiment: Experiments, store: Store) -> None:
    with fresh_namespace() as gone:
        Experiment(gone, "doomed", store).apply(spec(["wnli"]))
        delete_namespace(gone)

    assert reason(experiment("alive").apply(spec(["wnli"])).ends()) == "AllRunsSucceeded"
