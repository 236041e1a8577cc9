"""The condition `Finished`: True once nothing more will happen, whatever the outcome."""

import pytest

from support.search_world import SearchWorld, search_spec
from support.world import SECRET, World, create_secret, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def finished(world: World, name: str = "exp") -> tuple[str, str]:
    condition = world.condition(name, "Finished")
    return condition["status"], condition["reason"]


def test_it_is_false_from_the_first_look_and_true_at_the_end(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    assert finished(world) == ("False", "Pending")
    world.to_the_end("exp")
    assert finished(world) == ("True", "AllRunsSucceeded")
    assert world.condition("exp", "Finished")["message"] == "All 1 runs succeeded."


def test_it_is_true_where_it_ended_badly(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.to_the_end("exp", failed=[0])
    assert finished(world) == ("True", "TaskFailed")


def test_it_is_true_where_the_spec_has_to_be_corrected_and_false_again_when_it_was(world: World) -> None:
    spec = spec_of(world.server, {"rte": 1})
    del spec["storage"]
    world.apply("exp", spec)
    world.look("exp")
    assert finished(world) == ("True", "InvalidSpec")
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.look("exp")
    assert finished(world) == ("False", "Pending")


def test_it_is_false_while_what_is_missing_may_still_come(world: World) -> None:
    storage = {"endpoint": world.server.endpoint, "bucket": "results", "secretRef": {"name": "forgotten"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, storage=storage))
    world.look("exp")
    assert finished(world) == ("False", "SecretNotFound")
    create_secret(world.api, world.namespace, world.server, "forgotten")
    world.look("exp")
    assert finished(world)[0] == "False"


def test_what_an_earlier_version_ended_gets_it_and_is_looked_at_no_further(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.to_the_end("exp")
    before = world.status("exp")
    old = [condition for condition in before["conditions"] if condition["type"] != "Finished"]
    world.cluster.patch_experiment_status(
        world.namespace, "exp", {"conditions": old}, version=world.resource("exp")["metadata"]["resourceVersion"]
    )
    world.core.delete_namespaced_secret(SECRET, world.namespace)
    world.restart()
    world.requests.clear()
    assert world.look("exp") is None
    after = world.status("exp")
    times = {"lastTransitionTime"}
    assert [{k: v for k, v in c.items() if k not in times} for c in after["conditions"]] == [
        {k: v for k, v in c.items() if k not in times} for c in before["conditions"]
    ]
    assert {**after, "conditions": ()} == {**before, "conditions": ()}
    assert set(world.requests) == {("GET", "finetuneexperiments"), ("PATCH", "finetuneexperiments/status")}
    world.requests.clear()
    world.look("exp")
    assert sum(world.requests.values()) == 1


def test_no_event_tells_of_it(world: World) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    world.to_the_end("exp")
    assert world.events("exp").count(("Normal", "AllRunsSucceeded")) == 1


def test_searches_have_it_too(searching: SearchWorld) -> None:
    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    assert searching.search_condition("hunt", "Finished")["status"] == "False"
    searching.search_to_the_end("hunt")
    condition = searching.search_condition("hunt", "Finished")
    assert (condition["status"], condition["reason"]) == ("True", "AllTrialsEnded")
