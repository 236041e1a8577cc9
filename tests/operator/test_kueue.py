"""Kueue itself decides when our Jobs run; the operator says what it says, and fights it in nothing.

Not part of `make test`: Kueue takes minutes to build. `make test-long` runs it, then the same with real pods.
"""

import uuid
from collections.abc import Callable, Iterator

import pytest
from kubernetes import client

from finetune_core.json_types import Json
from finetune_dev.apiserver import ApiServer
from support.apiserver import until
from support.kueue_process import kueue
from support.kueue_queues import Queues
from support.search_world import SearchWorld, search_spec
from support.world import World, spec_of

pytestmark = [pytest.mark.e2e, pytest.mark.apiserver, pytest.mark.s3]

ONE_CPU = {"requests": {"cpu": "1"}}
URGENT = "urgent"


@pytest.fixture(scope="module")
def queues(api_server: ApiServer) -> Iterator[Queues]:
    """Kueue, and a priority class above the default."""
    with kueue(api_server) as queues:
        item = {"metadata": {"name": URGENT}, "value": 1000}
        client.SchedulingV1Api(queues.api).create_priority_class(item)
        yield queues


@pytest.fixture
def team(queues: Queues, world: World) -> str:
    """A LocalQueue of the world's namespace with a quota of one CPU."""
    name = f"team-{uuid.uuid4().hex[:6]}"
    queues.quota(name, world.namespace, cpu="1")
    return name


def queued(world: World, name: str, queue: str | None, **execution: object) -> None:
    """Apply an experiment of one run at a time that asks for one CPU."""
    asked = {"parallelism": 1, "resources": ONE_CPU, **execution, **({"queueName": queue} if queue else {})}
    world.apply(name, spec_of(world.server, {"rte": 1}, execution=asked))


def message(world: World, name: str) -> str:
    return str(world.condition(name, "Succeeded")["message"])


def seen(world: World, name: str, reason: str, words: str = "") -> None:
    """Look until STATUS and message are as wanted."""
    said: list[str] = []

    def as_wanted() -> bool:
        world.pass_time(61)
        world.look(name)
        said[:] = [world.reason(name), message(world, name)]
        return said[0] == reason and words in said[1]

    try:
        until(as_wanted, f"{name} to be {reason}")
    except TimeoutError as error:
        raise AssertionError(f"{error}: {said}") from error


def runs(job: Callable[[], Json]) -> Callable[[], bool]:
    return lambda: job()["spec"]["suspend"] is False


def test_the_second_waits_in_kueues_own_words_and_is_admitted_when_the_first_ends(world: World, team: str) -> None:
    queued(world, "first", team)
    world.look("first", times=2)
    until(runs(lambda: world.job("first")), "the first to be admitted")
    queued(world, "second", team)
    world.look("second")

    seen(world, "second", "Queued", "insufficient unused quota for cpu in flavor default, 1 more needed")

    assert f"Waiting for queue {team} to admit the Job. Kueue (Workload job-second-" in message(world, "second")
    assert world.job("second")["spec"]["suspend"] is True
    world.to_the_end("first")
    assert world.reason("first") == "AllRunsSucceeded"
    until(runs(lambda: world.job("second")), "the second to be admitted")
    world.to_the_end("second")
    assert world.reason("second") == "AllRunsSucceeded"


def test_a_preempted_experiment_waits_without_a_fight_and_goes_on(world: World, team: str) -> None:
    queued(world, "low", team)
    world.look("low", times=2)
    until(runs(lambda: world.job("low")), "it to be admitted")
    world.play(world.job("low"), active=1)
    seen(world, "low", "Running")
    job = world.job("low")

    queued(world, "high", team, podTemplate={"priorityClassName": URGENT})
    world.look("high")
    until(lambda: world.job("low")["spec"]["suspend"] is True, "it to be preempted")
    world.look("low", times=3)
    assert world.job("low")["spec"]["suspend"] is True, "the operator does not start it again"
    seen(world, "low", "Queued", "evicted it (Preempted): Preempted to accommodate a workload")
    assert not runs(lambda: world.job("high"))(), "its pods still end"

    world.play(world.job("low"), active=0)
    until(runs(lambda: world.job("high")), "the urgent one to be admitted")
    seen(world, "low", "Queued", "insufficient")
    world.to_the_end("high")
    until(runs(lambda: world.job("low")), "it to be admitted again")
    assert world.job("low")["metadata"]["uid"] == job["metadata"]["uid"]
    world.to_the_end("low")
    assert world.reason("low") == "AllRunsSucceeded"


def test_each_queue_has_its_own_quota(world: World, queues: Queues, team: str) -> None:
    other = f"{team}-other"
    queues.quota(other, world.namespace, cpu="1")
    for name, queue in (("mine", team), ("theirs", other), ("next", other)):
        queued(world, name, queue)
        world.look(name)
        if name != "next":
            until(runs(lambda: world.job(name)), f"{name} to be admitted")  # noqa: B023
    seen(world, "next", "Queued", "insufficient unused quota")
    assert not runs(lambda: world.job("next"))()


def test_a_request_beyond_the_whole_quota_is_said(world: World, team: str) -> None:
    queued(world, "large", team, resources={"requests": {"cpu": "3"}})
    world.look("large")
    seen(world, "large", "Queued", "insufficient quota for cpu in flavor default")


def test_a_quota_that_does_not_cover_what_pods_ask_for_by_default_is_said(
    world: World, queues: Queues, team: str
) -> None:
    # Written down in docs/how-to/kueue.md.
    queues.covering(f"{team}-cpu", world.namespace, {"cpu": "1"})
    queued(world, "exp", f"{team}-cpu")
    world.look("exp")
    seen(world, "exp", "Queued", "resource ephemeral-storage unavailable in ClusterQueue")


def test_without_a_queue_kueue_has_no_part_in_it(world: World, queues: Queues, team: str) -> None:
    queued(world, "free", None)
    world.look("free", times=2)
    assert world.job("free")["spec"]["suspend"] is False
    world.to_the_end("free")
    assert world.reason("free") == "AllRunsSucceeded"
    assert all(not queues.workload(world.namespace, job["metadata"]["uid"]) for job in world.jobs("free"))


def test_a_queue_that_is_missing_is_said_and_taken_when_it_comes(world: World, queues: Queues, team: str) -> None:
    queued(world, "exp", f"{team}-later")
    world.look("exp")
    seen(world, "exp", "Blocked", f"LocalQueue {team}-later is not in namespace {world.namespace}")
    queues.local(f"{team}-later", world.namespace, team)
    until(runs(lambda: world.job("exp")), "it to be admitted")


def test_a_queue_without_a_quota_behind_it_is_said_in_kueues_words(world: World, queues: Queues, team: str) -> None:
    queues.local(f"{team}-broken", world.namespace, "no-such-quota")
    queued(world, "exp", f"{team}-broken")
    world.look("exp")
    seen(world, "exp", "Blocked", f"LocalQueue {team}-broken admits nothing: ClusterQueueDoesNotExist")


def test_suspend_takes_it_out_of_the_queue_and_back(world: World, queues: Queues, team: str) -> None:
    queued(world, "exp", team)
    world.look("exp", times=2)
    until(runs(lambda: world.job("exp")), "it to be admitted")
    job = world.job("exp")
    queued(world, "next", team)
    world.look("next")

    queued(world, "exp", team, suspend=True)
    seen(world, "exp", "Suspended")
    until(lambda: world.jobs("exp") == [], "its Job to be gone")
    world.look("exp", times=2)
    assert world.jobs("exp") == []
    # An API server alone has no garbage collector; tests/e2e/test_kueue.py has.
    queues.drop(world.namespace, job["metadata"]["uid"])
    until(runs(lambda: world.job("next")), "the quota to be free for the next one")

    queued(world, "exp", team)
    seen(world, "exp", "Queued", "insufficient unused quota")
    world.to_the_end("next")
    until(runs(lambda: world.job("exp")), "it to be admitted again")


def test_more_parallelism_goes_through_the_queue(world: World, queues: Queues, team: str) -> None:
    name = f"{team}-two"
    queues.quota(name, world.namespace, cpu="2")
    asked = {"parallelism": 1, "resources": ONE_CPU, "queueName": name}
    world.apply("exp", spec_of(world.server, {"rte": 3}, execution=asked))
    world.look("exp", times=2)
    until(runs(lambda: world.job("exp")), "it to be admitted")
    world.play(world.job("exp"), active=1)

    world.apply("exp", spec_of(world.server, {"rte": 3}, execution={**asked, "parallelism": 2}))
    world.look("exp")

    def count() -> int:
        workload = queues.workload(world.namespace, world.job("exp")["metadata"]["uid"])
        admission = (workload.get("status") or {}).get("admission") or {}
        return next((one["count"] for one in admission.get("podSetAssignments", ())), 0)

    def admitted_anew() -> bool:
        if world.job("exp")["spec"]["suspend"]:
            # Kueue has taken the start away, so that it may change the template.
            world.play(world.job("exp"), active=0, startTime=None)
        return count() == 2 and runs(lambda: world.job("exp"))()

    until(admitted_anew, "Kueue to admit two pods")
    world.look("exp", times=2)
    assert world.job("exp")["spec"]["parallelism"] == 2
    world.to_the_end("exp")
    assert world.reason("exp") == "AllRunsSucceeded"


def test_a_default_queue_takes_every_job_and_all_of_it_is_said(world: World, queues: Queues, team: str) -> None:
    queued(world, "busy", team)
    world.look("busy", times=2)
    until(runs(lambda: world.job("busy")), "it to be admitted")
    queues.local("default", world.namespace, team)

    def taken() -> bool:
        # Kueue hears of its queues by and by.
        name = f"exp-{uuid.uuid4().hex[:6]}"
        queued(world, name, None)
        world.look(name, times=2)
        names.append(name)
        return bool(world.job(name)["spec"]["suspend"])

    names: list[str] = []
    until(taken, "Kueue to know the default queue")
    name = names[-1]
    seen(world, name, "Queued", "Waiting for queue default to admit the Job. Kueue (Workload")
    world.finish(world.job("busy"))
    until(runs(lambda: world.job(name)), "it to be admitted")
    queued(world, "next", team)
    world.look("next")
    world.finish(world.job(name))
    until(runs(lambda: world.job("next")), "the next one to be admitted")
    world.look(name, times=2)
    seen(world, name, "Queued", f"to admit Job {world.job(name, 'report')['metadata']['name']}")


def test_a_search_waits_and_is_preempted_like_an_experiment(searching: SearchWorld, queues: Queues) -> None:
    team = f"hunt-{uuid.uuid4().hex[:6]}"
    queues.quota(team, searching.namespace, cpu="1")
    execution = {"parallelism": 1, "resources": ONE_CPU, "queueName": team}
    searching.apply_search("hunt", search_spec(searching.server, execution=execution))
    searching.look_at_search("hunt", times=2)
    until(runs(lambda: searching.search_job("hunt")), "it to be admitted")
    searching.play(searching.search_job("hunt"), active=1)
    queued(searching, "high", team, podTemplate={"priorityClassName": URGENT})
    searching.look("high")
    until(lambda: searching.search_job("hunt")["spec"]["suspend"] is True, "it to be preempted")

    def told() -> str:
        searching.pass_time(61)
        searching.look_at_search("hunt")
        return str(searching.search_condition("hunt", "Succeeded")["message"])

    until(lambda: "evicted it (Preempted)" in told(), "the search to say why it waits")
    assert searching.search_reason("hunt") == "Queued"
    assert searching.search_job("hunt")["spec"]["suspend"] is True
    searching.play(searching.search_job("hunt"), active=0)
    searching.to_the_end("high")
    until(runs(lambda: searching.search_job("hunt")), "it to be admitted again")
