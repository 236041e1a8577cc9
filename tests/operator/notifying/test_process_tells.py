"""The operator's own process tells receivers: beside its looks, and once over its own restarts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune_dev.apiserver import ApiServer
from support.apiserver import until
from support.operator_process import OperatorProcess
from support.receiver import Receiver
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]
_SECONDS = 60


@pytest.fixture
def operator(api_server: ApiServer, world: World, receiver: Receiver, tmp_path: Path) -> Iterator[OperatorProcess]:
    """The operator's process, which looks at this test's namespace only."""
    settings = {
        "FINETUNE_NAMESPACES": world.namespace,
        "FINETUNE_RESYNC_SECONDS": "1",
        "FINETUNE_NOTIFICATION_HOSTS": f"hooks.slack.com,{receiver.allowed}",
    }
    with OperatorProcess(api_server.kubeconfig, tmp_path / "log", **settings) as process:
        yield process


def has_job(world: World, name: str) -> bool:
    return bool(world.jobs(name, "train"))


def test_an_end_is_told_once_and_a_receiver_that_hangs_keeps_nothing_waiting(
    world: World, operator: OperatorProcess, receiver: Receiver
) -> None:
    notifications = [{"name": "chat", "url": receiver.url + "/SECRET"}]
    receiver.may_answer.clear()
    # Of such an answer urllib3 tells in a log line of its own, with the whole address.
    receiver.odd = True
    world.apply("exp", spec_of(world.server, {"rte": 1}, notifications=notifications))
    until(lambda: has_job(world, "exp"), "the Job", _SECONDS)
    world.finish(world.job("exp"))
    until(lambda: bool(world.jobs("exp", "report")), "the report Job", _SECONDS)
    world.play_report("exp")
    until(lambda: len(receiver.requests) == 1, "the notification", _SECONDS)
    assert world.condition("exp", "Finished")["status"] == "True", "it is told of what is in the status already"

    world.apply("second", spec_of(world.server, {"rte": 1}))
    until(lambda: has_job(world, "second"), "the Job of a second experiment", _SECONDS)
    assert world.status("exp")["notifications"][0]["pending"], "the receiver has not answered yet"
    receiver.may_answer.set()
    until(lambda: not world.status("exp")["notifications"][0]["pending"], "the status to know of it", _SECONDS)

    operator.kill()
    operator.start()
    world.apply("third", spec_of(world.server, {"rte": 1}))
    until(lambda: has_job(world, "third"), "the Job of a third experiment", _SECONDS)
    assert [json.loads(request.content)["event"] for request in receiver.requests] == ["Finished"]
    assert world.status("exp")["notifications"][0]["delivered"] == 1
    assert 'finetune_notifications_total{outcome="delivered"}' not in operator.get("/metrics")[1]
    log = operator.log.read_text()
    assert "told of Finished" in log
    assert "SECRET" not in log
