"""Experiments and searches that tell of their end: once, whatever becomes of the operator and of receivers."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import urllib3

from finetune_core.notifying.addresses import allowed_hosts
from finetune_core.notifying.bodies import About
from finetune_core.notifying.outbox import Attempt
from finetune_kube.errors import ApiUnavailableError
from finetune_operator.cluster import Cluster
from finetune_operator.kinds.experiment import Reconciler
from finetune_operator.kinds.search import SearchReconciler
from finetune_operator.notifying.sending import Letter, Sender
from finetune_store import bounded_pool
from support.receiver import Receiver
from support.search_world import SearchWorld, search_spec
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


@pytest.fixture(scope="module")
def http() -> urllib3.PoolManager:
    """One for all: the system's authorities take a while to read."""
    return bounded_pool()


class AtOnce:
    """A courier without threads: `work` sends what it was given."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.letters: dict[str, Letter] = {}
        self.done: dict[str, Attempt] = {}

    def attempts(self, about: About) -> Mapping[str, Attempt]:
        return dict(self.done)

    def written(self, about: About, ids: Iterable[str]) -> None:
        for ident in ids:
            self.done.pop(ident, None)

    def take(self, letters: Iterable[Letter]) -> bool:
        self.letters |= {one.id: one for one in letters if one.id not in self.done}
        return True

    def forget(self, kind: str, namespace: str, name: str) -> None:
        self.done.clear()

    def work(self) -> None:
        for ident, letter in self.letters.items():
            self.done[ident] = self.sender.send(letter)
        self.letters.clear()


class Telling:
    """A world whose operator tells."""

    def __init__(self, world: World, receiver: Receiver, http: urllib3.PoolManager, *allowed: str) -> None:
        self.world, self.receiver, self.http = world, receiver, http
        hosts = allowed_hosts(allowed or (receiver.allowed,), "hosts")
        self.config = replace(world.config, notification_hosts=hosts)
        self.restart()

    def restart(self) -> None:
        """Another operator, which remembers nothing and has nothing on its way."""
        world = self.world
        world.operator.close()
        self.post = AtOnce(Sender(world.cluster, self.config.notification_hosts, http=self.http))
        world.operator = Reconciler(world.cluster, self.config, monotonic=world.monotonic, post=self.post)
        if isinstance(world, SearchWorld):
            world.searcher = SearchReconciler(world.cluster, self.config, monotonic=world.monotonic, post=self.post)

    def apply(self, **fields: Any) -> None:
        one = {"name": "chat", "url": self.receiver.url, **fields}
        self.world.apply("exp", spec_of(self.world.server, {"rte": 1}, notifications=[one]))

    def to_the_end(self, failed: Iterable[int] = ()) -> None:
        """Look and play until the experiment has ended; nothing is sent."""
        world = self.world
        world.look("exp", times=2)
        world.finish(world.job("exp"), failed=failed)
        world.look("exp", times=2)
        world.play_report("exp")
        world.look("exp", times=2)
        assert world.condition("exp", "Finished")["status"] == "True"

    def heard(self) -> list[str]:
        return [json.loads(request.content)["event"] for request in self.receiver.requests]

    def state(self) -> dict[str, Any]:
        (state,) = self.world.status("exp")["notifications"]
        return dict(state)


@pytest.fixture
def telling(world: World, receiver: Receiver, http: urllib3.PoolManager) -> Telling:
    """An operator that may send to the receiver."""
    return Telling(world, receiver, http)


def test_an_end_is_told_once_also_by_an_operator_that_starts_anew(telling: Telling) -> None:
    world = telling.world
    telling.apply()
    telling.to_the_end()
    assert [one["event"] for one in telling.state()["pending"]] == ["Finished"]
    telling.post.work()
    assert world.look("exp") is None, "nothing is left to tell"
    assert telling.state() == {
        "name": "chat",
        "delivered": 1,
        "givenUp": 0,
        "lastDelivered": telling.state()["lastDelivered"],
        "pending": [],
    }
    for _ in range(2):
        telling.restart()
        world.look("exp", times=2)
        telling.post.work()
    assert telling.heard() == ["Finished"]


def test_what_was_not_sent_when_the_operator_died_is_sent_by_the_next_one_under_its_id(telling: Telling) -> None:
    world = telling.world
    telling.apply()
    telling.to_the_end()
    # It died before it sent anything; the next one dies after it sent, before it could write so.
    telling.restart()
    world.look("exp")
    telling.post.work()
    telling.restart()
    world.look("exp")
    telling.post.work()
    world.look("exp")
    first, second = telling.receiver.requests
    assert first.headers["X-Finetune-Delivery"] == second.headers["X-Finetune-Delivery"]
    assert telling.state()["delivered"] == 1


def test_of_two_operators_that_see_the_same_end_one_tells_it(telling: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    world = telling.world
    telling.apply()
    world.look("exp", times=2)
    world.finish(world.job("exp"))
    world.look("exp", times=2)
    world.play_report("exp")
    slow, slows_post, patch = world.operator, telling.post, world.cluster.patch_experiment_status
    # Both have seen the end, and the other one is the first to write so.
    others_post = AtOnce(telling.post.sender)
    other = Reconciler(Cluster(world.api), telling.config, post=others_post)

    def later(*where: Any, **version: Any) -> None:
        monkeypatch.undo()
        for _ in range(4):
            other.reconcile(world.namespace, "exp")
        patch(*where, **version)

    monkeypatch.setattr(world.cluster, "patch_experiment_status", later)
    slow.reconcile(world.namespace, "exp")
    other.close()
    assert world.condition("exp", "Finished")["status"] == "True"
    assert (len(others_post.letters), len(slows_post.letters)) == (1, 0)
    # Whoever looks next knows of this one, by its id, and makes no other.
    slow.reconcile(world.namespace, "exp")
    assert slows_post.letters.keys() == others_post.letters.keys()


def test_an_attempt_counts_once_where_no_event_can_be_written_after_it(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = telling.world
    telling.receiver.answers = [500]
    telling.apply()
    telling.to_the_end()
    telling.post.work()

    def away(*_: Any) -> None:
        raise ApiUnavailableError("the API server is away")

    monkeypatch.setattr(world.cluster, "create_event", away)
    with pytest.raises(ApiUnavailableError):
        world.look("exp")
    monkeypatch.undo()
    world.look("exp")
    (pending,) = telling.state()["pending"]
    assert pending["attempts"] == 1


def test_a_receiver_that_fails_is_shown_and_tried_again_and_the_experiment_has_ended_all_the_same(
    telling: Telling,
) -> None:
    world = telling.world
    telling.receiver.answers = [500]
    telling.apply()
    telling.to_the_end()
    telling.post.work()
    delay = world.look("exp")
    assert delay is not None
    assert delay <= 10
    assert world.reason("exp") == "AllRunsSucceeded"
    condition = world.condition("exp", "NotificationsDelivered")
    assert (condition["status"], condition["reason"]) == ("False", "DeliveryFailed")
    assert condition["message"].startswith(
        "Receiver chat: it answered 500: see the receiver's log. Tried 1 of 12 times"
    )
    assert ("Warning", "DeliveryFailed") in world.events("exp")
    # Whoever changes the spec has it tried at once.
    telling.apply(on=["Finished", "NewBest"])
    world.look("exp", times=2)
    telling.post.work()
    world.look("exp")
    assert telling.heard() == ["Finished", "Finished"]
    assert not [one for one in world.status("exp")["conditions"] if one["type"] == "NotificationsDelivered"]


def test_what_is_asked_for_is_told_and_signed(telling: Telling) -> None:
    world = telling.world
    world.core.create_namespaced_secret(
        world.namespace, {"metadata": {"name": "hook"}, "stringData": {"url": telling.receiver.url, "key": "s3cr3t"}}
    )
    fields = {"urlSecretRef": {"name": "hook", "key": "url"}, "signingSecretRef": {"name": "hook", "key": "key"}}
    telling.apply(url=None, on=["NewBest", "Failed", "RunFailed"], **fields)
    telling.to_the_end()
    telling.post.work()
    world.look("exp")
    assert telling.heard() == ["NewBest"]
    (request,) = telling.receiver.requests
    said = json.loads(request.content)
    assert said["object"]["uid"] == world.resource("exp")["metadata"]["uid"]
    assert [task["name"] for task in said["tasks"]] == ["rte"]
    expected = "sha256=" + hmac.new(b"s3cr3t", request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Finetune-Signature-256"] == expected
    everything = json.dumps(
        [world.resource("exp"), world.core.list_namespaced_event(world.namespace).to_dict()], default=str
    )
    assert telling.receiver.url not in everything
    assert "s3cr3t" not in everything


def test_a_bad_end_is_told_with_what_failed(telling: Telling) -> None:
    telling.apply(on=["Finished", "RunFailed"])
    telling.to_the_end(failed=[0])
    telling.post.work()
    telling.world.look("exp")
    assert sorted(telling.heard()) == ["Failed", "RunFailed"]


def test_what_cannot_be_told_is_found_before_anything_runs(
    world: World, receiver: Receiver, http: urllib3.PoolManager
) -> None:
    telling = Telling(world, receiver, http, "hooks.slack.com")
    telling.apply()
    world.look("exp", times=2)
    valid = world.condition("exp", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "Rejected")
    assert valid["message"].startswith("spec.notifications[chat].url: ")
    assert "notifications.allowedHosts" in valid["message"]
    telling.apply(url=None, urlSecretRef={"name": "hook", "key": "url"})
    world.look("exp", times=2)
    valid = world.condition("exp", "Valid")
    assert valid["reason"] == "SecretNotFound"
    assert "create it with the key url" in valid["message"]
    assert world.jobs("exp") == []
    assert receiver.requests == []


def test_a_receiver_that_is_not_allowed_any_more_stops_nothing_that_was_accepted(telling: Telling) -> None:
    world = telling.world
    telling.apply()
    world.look("exp", times=2)
    telling.config = replace(telling.config, notification_hosts=())
    telling.restart()
    telling.to_the_end()
    telling.post.work()
    world.look("exp")
    assert world.reason("exp") == "AllRunsSucceeded"
    assert "none that the operator may send to" in world.condition("exp", "NotificationsDelivered")["message"]


def test_a_changed_receiver_makes_no_job_obsolete_and_no_other_plan(telling: Telling) -> None:
    world = telling.world
    telling.apply()
    world.look("exp", times=2)
    job, plan = world.job("exp"), world.plan("exp")
    telling.apply(on=["Stalled"], name="other")
    world.look("exp", times=3)
    assert world.job("exp")["metadata"]["uid"] == job["metadata"]["uid"]
    assert world.plan("exp") == plan


def test_a_search_tells_of_its_end(searching: SearchWorld, receiver: Receiver, http: urllib3.PoolManager) -> None:
    telling = Telling(searching, receiver, http)
    one = {"name": "chat", "url": receiver.url}
    searching.apply_search("hunt", search_spec(searching.server, notifications=[one]))
    searching.look_at_search("hunt", times=2)
    searching.drive(searching.search_job("hunt"), "hunt")
    searching.look_at_search("hunt", times=2)
    searching.play_search_report("hunt")
    searching.look_at_search("hunt", times=3)
    telling.post.work()
    assert searching.look_at_search("hunt") is None
    (said,) = [json.loads(request.content) for request in receiver.requests]
    assert (said["event"], said["object"]["kind"], said["reason"]) == ("Finished", "HPSearch", "AllTrialsEnded")
    assert said["tasks"][0]["best"]["hyperparameters"]
