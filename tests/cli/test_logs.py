"""`finetune logs`: which pods, and their lines."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes import client

from finetune_client.errors import NotFoundError
from finetune_client.kube.client import Kube
from support.world import World, spec_of

from .conftest import Run


class Kubelet(BaseHTTPRequestHandler):
    """Answers for the logs of a pod as an API server does that has a kubelet behind it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "/pods/mine/" not in self.path:
            body = b'{"message": "pods \\"gone\\" not found"}'
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"one\ntw", b"o\nthr\xc3\xa9e"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def kube() -> Iterator[Kube]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubelet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        configuration = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
        configuration.proxy = None
        with client.ApiClient(configuration) as api:
            yield Kube(api, "team")
        server.shutdown()


@pytest.mark.parametrize("follow", [False, True])
def test_lines_are_whole_however_they_arrive(kube: Kube, follow: bool) -> None:
    assert list(kube.log("mine", follow=follow)) == ["one", "two", "thrée"]


def test_a_pod_that_is_gone_is_named(kube: Kube) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        list(kube.log("gone"))


@pytest.fixture
def pods(world: World) -> list[str]:
    """The pods of an experiment of two tasks, one a run: rte 0, rte 1, cola 0."""
    world.apply("first", spec_of(world.server, {"rte": 2, "cola": 1}))
    world.look("first", 3)
    job = world.job("first")
    plan = world.job_plan(job)
    made = {}
    for index in range(3):
        (run,) = plan.runs_at(index)
        made[run.task, run.run] = world.pod(job, index=index, status={"phase": "Pending"})
    return [made["rte", 0], made["rte", 1], made["cola", 0]]


@pytest.mark.apiserver
@pytest.mark.s3
@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ((), (0, 1, 2)),
        (("--task", "rte"), (0, 1)),
        (("--task", "rte", "--run", "1"), (1,)),
        (("--task", "cola"), (2,)),
    ],
)
def test_task_and_run_choose_the_pods(
    world: World, pods: list[str], run: Run, options: tuple[str, ...], chosen: tuple[int, ...]
) -> None:
    said = run("logs", "first", *options, "-n", world.namespace)

    # No kubelet runs here: each pod that was chosen is told to have printed nothing yet.
    assert {pod for pod in pods if pod in said.err} == {pods[index] for index in chosen}


@pytest.mark.apiserver
@pytest.mark.s3
def test_without_pods_it_says_where_else_to_look(world: World, run: Run) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))

    said = run("logs", "first", "-n", world.namespace)

    assert said.code == 3
    assert "first has no train pod now" in said.text
    assert "finetune status first" in said.text


def test_a_run_without_a_task_is_wrong_usage(run: Run) -> None:
    assert run("logs", "first", "--run", "0").code == 2
