"""One attempt, to a real server: what it gets, who may not be asked, and that no address of a Secret is ever shown."""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import urllib3

from finetune_core.api.notifications import Notification
from finetune_core.notifying.addresses import allowed_hosts
from finetune_core.notifying.bodies import About
from finetune_core.notifying.outbox import Attempt
from finetune_operator.cluster import Cluster
from finetune_operator.notifying.sending import Letter, Sender
from finetune_store import bounded_pool
from support.apiserver import until
from support.proxy import Proxy
from support.receiver import Receiver
from support.tarpit import Tarpit

ABOUT = About("finetune.dev/v1alpha1", "FinetuneExperiment", "team", "glue", "a-uid")
SAID = {
    "version": 1,
    "id": "d" * 32,
    "event": "Finished",
    "time": "2026-01-01T00:00:00Z",
    "object": {
        "apiVersion": ABOUT.api_version,
        "kind": ABOUT.kind,
        "namespace": "team",
        "name": "glue",
        "uid": "a-uid",
    },
    "reason": "AllRunsSucceeded",
    "message": "All runs succeeded.",
    "progress": "2/2",
    "score": None,
    "gpuHours": None,
    "tasks": [],
    "results": None,
}


@cache
def pool() -> urllib3.PoolManager:
    """One for all: the system's authorities take a while to read."""
    return bounded_pool()


class Secrets:
    """A cluster that has Secrets and nothing else."""

    def __init__(self, **secrets: dict[str, str]) -> None:
        self.secrets = secrets
        self.asked: list[tuple[str, str]] = []

    def get_secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.append((namespace, name))
        data = self.secrets.get(name)
        if data is None:
            return None
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def letter(**fields: Any) -> Letter:
    return Letter("d" * 32, ABOUT, Notification.model_validate({"name": "chat", **fields}), SAID)


def send(fields: dict[str, Any], *allowed: str, secrets: Secrets | None = None, seconds: float = 5.0) -> Attempt:
    sender = Sender(
        cast(Cluster, secrets or Secrets()),
        allowed_hosts(allowed, "hosts"),
        http=pool(),
        seconds=seconds,
        utc_now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    return sender.send(letter(**fields))


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have every name stand for these addresses."""

    def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_it_gets_the_object_and_an_id_that_stays(receiver: Receiver) -> None:
    assert send({"url": receiver.url}, receiver.allowed) == Attempt()
    (request,) = receiver.requests
    assert json.loads(request.content) == SAID | {"sent": "2026-01-01T00:00:00Z"}
    assert request.path == "/hook"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Finetune-Event"] == "Finished"
    assert request.headers["X-Finetune-Delivery"] == "d" * 32
    assert "X-Finetune-Signature-256" not in request.headers


def test_what_is_signed_can_be_verified_with_the_standard_library(receiver: Receiver) -> None:
    secrets = Secrets(keys={"signing": "s3cr3t\n"})
    fields = {"url": receiver.url, "signingSecretRef": {"name": "keys", "key": "signing"}}
    assert send(fields, receiver.allowed, secrets=secrets) == Attempt()
    (request,) = receiver.requests
    expected = "sha256=" + hmac.new(b"s3cr3t", request.content, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(request.headers["X-Finetune-Signature-256"], expected)


def test_an_address_may_lie_in_a_secret_of_the_objects_namespace(receiver: Receiver) -> None:
    secrets = Secrets(hook={"url": receiver.url + "/T/B?x=1"})
    fields = {"urlSecretRef": {"name": "hook", "key": "url"}, "format": "Slack"}
    assert send(fields, receiver.allowed, secrets=secrets) == Attempt()
    (request,) = receiver.requests
    assert (request.path, list(json.loads(request.content))) == ("/hook/T/B?x=1", ["text"])
    assert set(secrets.asked) == {("team", "hook")}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    problem = send({"url": receiver.url}, receiver.allowed).problem
    assert problem is not None
    assert f"{status}, and redirects are not followed" in problem
    assert [request.path for request in receiver.requests] == ["/hook"]


@pytest.mark.parametrize(("status", "words"), [(500, "see the receiver's log"), (404, "check the address")])
def test_an_answer_of_failure_is_told_by_its_number_alone(receiver: Receiver, status: int, words: str) -> None:
    receiver.answers = [status]
    problem = send({"url": receiver.url}, receiver.allowed).problem
    assert problem is not None
    assert f"it answered {status}" in problem
    assert words in problem


def test_what_the_administrator_has_not_named_is_not_asked(receiver: Receiver) -> None:
    problem = send({"url": receiver.url}, "hooks.slack.com").problem
    assert problem is not None
    assert "none that the operator may send to" in problem
    assert "notifications.allowedHosts" in problem
    assert receiver.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.96.0.1", "192.168.0.1", "100.64.1.1"])
def test_a_public_name_of_an_inner_address_is_not_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolving_to(monkeypatch, address)
    for allowed in ("*", "*.example.org"):
        problem = send({"url": "https://rebound.example.org/"}, allowed).problem
        assert problem is not None
        assert "no address that the operator may connect to" in problem
        assert address not in problem


def test_a_named_host_that_stands_for_the_operators_machine_is_not_asked(receiver: Receiver) -> None:
    port = receiver.allowed.rpartition(":")[2]
    problem = send({"url": f"http://localhost:{port}/hook"}, f"http://localhost:{port}").problem
    assert problem is not None
    assert "no address that the operator may connect to" in problem
    assert receiver.requests == []


def test_of_several_addresses_only_those_that_it_may_are_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "169.254.169.254", "8.8.8.8")
    connected: list[str] = []

    def connect(_self: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    problem = send({"url": "https://mixed.example.org/"}, "*").problem
    assert problem == "it cannot be connected to: see whether it is well"
    assert connected == ["8.8.8.8"]


@pytest.mark.parametrize("slow", ["status", "headers"])
def test_a_receiver_that_answers_a_byte_at_a_time_takes_no_longer_than_the_limit(slow: str) -> None:
    with Tarpit(slow) as tarpit:
        began = time.monotonic()
        problem = send({"url": f"{tarpit.endpoint}/"}, tarpit.endpoint, seconds=0.4).problem
        assert problem == "it does not answer in time: see whether it is well"
        assert time.monotonic() - began < 5


def test_the_body_of_an_answer_is_not_read() -> None:
    with Tarpit("body") as tarpit:
        began = time.monotonic()
        assert send({"url": f"{tarpit.endpoint}/"}, tarpit.endpoint) == Attempt()
        assert time.monotonic() - began < 2


def refused(_receiver: Receiver) -> str:
    return "http://127.0.0.1:9/SECRET"


def unknown(_receiver: Receiver) -> str:
    return "http://no-such-host.invalid/SECRET"


def failing(receiver: Receiver) -> str:
    receiver.answers = [500]
    return f"{receiver.url}/SECRET"


def not_allowed(_receiver: Receiver) -> str:
    return "https://SECRET.example.org/SECRET"


def malformed(_receiver: Receiver) -> str:
    return "https://user:SECRET@example.org/SECRET"


@pytest.mark.parametrize("made", [refused, unknown, failing, not_allowed, malformed])
def test_nothing_of_an_address_in_a_secret_is_shown(
    receiver: Receiver, made: Callable[[Receiver], str], caplog: pytest.LogCaptureFixture
) -> None:
    secrets = Secrets(hook={"url": made(receiver)})
    allowed = ("http://127.0.0.1:9", "http://no-such-host.invalid", receiver.allowed)
    problem = send({"urlSecretRef": {"name": "hook", "key": "url"}}, *allowed, secrets=secrets).problem
    assert problem is not None
    for text in (problem, caplog.text):
        assert "SECRET" not in text
        assert "example" not in text
        assert "127.0.0.1" not in text
        assert "no-such-host" not in text


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (Secrets(), "Secret hook is not in the namespace: create it with the key url"),
        (Secrets(hook={"other": "x"}), "Secret hook has nothing under the key url"),
        (Secrets(hook={"url": "not an address"}), "key url of Secret hook holds no address"),
    ],
)
def test_a_secret_without_an_address_is_told_with_its_remedy(secrets: Secrets, words: str) -> None:
    problem = send({"urlSecretRef": {"name": "hook", "key": "url"}}, "*", secrets=secrets).problem
    assert problem is not None
    assert words in problem


def test_the_proxy_is_honoured_for_a_host_that_is_named(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy(tmp_path) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert send({"url": receiver.url}, receiver.allowed) == Attempt()
        until(lambda: len(proxy.passed()) == 1, "the proxy's log")


def test_behind_a_proxy_a_pattern_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    problem = send({"url": "https://rebound.example.org/"}, "*").problem
    assert problem is not None
    assert "reached through a proxy, for which a pattern does not count" in problem
