"""The way to a Service that only the cluster can reach: whom it leads to, and what passes along it."""

import hashlib
import resource
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from kubernetes import client

from finetune_client.errors import NotFoundError, RefusedError
from finetune_client.kube.client import Kube
from finetune_client.kube.forwarding import Service, listen, reachable
from support.port_forward import forwarding_server


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets, until it gets `bye`."""

    def answer(connection: socket.socket) -> None:
        with connection:
            while (data := connection.recv(1 << 16)) and data != b"bye":
                connection.sendall(data)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()


def reached(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def exactly(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        found += connection.recv(1 << 16)
    return bytes(found)


def test_bytes_pass_both_ways_on_every_connection(echo: tuple[str, int]) -> None:
    port = listen(lambda: socket.create_connection(echo))
    content = bytes(range(256)) * 20_000
    with reached(port) as first, reached(port) as second:
        for connection, data in ((second, b"second"), (first, content), (second, b"again")):
            sender = threading.Thread(target=connection.sendall, args=(data,))
            sender.start()
            assert exactly(connection, len(data)) == data
            sender.join()


def test_where_the_far_end_ends_so_does_the_near_one(echo: tuple[str, int]) -> None:
    port = listen(lambda: socket.create_connection(echo))
    with reached(port) as connection:
        connection.sendall(b"bye")
        assert connection.recv(1) == b""


def test_where_no_connection_can_be_made_it_is_closed_and_the_next_one_is_tried(echo: tuple[str, int]) -> None:
    tries = iter((RefusedError("not today"), None))

    def connect() -> socket.socket:
        if error := next(tries):
            raise error
        return socket.create_connection(echo)

    port = listen(connect)
    with reached(port) as connection:
        assert connection.recv(1) == b""
    with reached(port) as connection:
        connection.sendall(b"now")
        assert exactly(connection, 3) == b"now"


MIB = 1 << 20


def through(url: str) -> Kube:
    return Kube(client.ApiClient(client.Configuration(host=url)), "team")


@pytest.fixture
def large() -> Iterator[tuple[str, int]]:
    """A server that sends 500 MB to whoever connects."""
    block = bytes(range(256)) * 4096

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    for _ in range(500):
                        connection.sendall(block)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()


def test_500_mb_pass_and_no_more_than_a_little_of_them_waits_in_memory(large: tuple[str, int]) -> None:
    with forwarding_server(large) as url:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with closing(through(url).forward("store", 8333)) as connection:
            digest, size = hashlib.sha256(), 0
            while data := connection.recv(1 << 16):
                digest.update(data)
                size += len(data)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert size == 500 * MIB
    assert digest.hexdigest() == hashlib.sha256(bytes(range(256)) * 4096 * 500).hexdigest()
    assert grown < 60 * 1024


def test_bytes_pass_both_ways_through_the_api_server(echo: tuple[str, int]) -> None:
    content = bytes(range(256)) * 40_000
    with forwarding_server(echo) as url, closing(through(url).forward("store", 8333)) as connection:
        sender = threading.Thread(target=connection.sendall, args=(content,))
        sender.start()
        assert exactly(connection, len(content)) == content
        sender.join()
        connection.sendall(b"bye")
        assert connection.recv(1) == b""


def test_where_the_pod_refuses_the_connection_is_closed_and_the_reason_told(
    echo: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    with (
        forwarding_server(echo, error="nothing listens on 8333") as url,
        closing(through(url).forward("store", 8333)) as connection,
    ):
        assert connection.recv(1) == b""
        while not caplog.records:
            threading.Event().wait(0.01)
    assert "nothing listens on 8333" in caplog.text


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.example.org",
        "http://localhost:8333",
        "http://store.team:8333",
        # A certificate would be for another name.
        "https://store.team.svc:8333",
    ],
)
def test_other_addresses_stay_as_they_are(endpoint: str) -> None:
    assert reachable(Kube(client.ApiClient(client.Configuration()), "team"), endpoint) == endpoint


@pytest.fixture
def kube(api_client: client.ApiClient, namespace: str) -> Kube:
    """The namespace with a Service `store` and its pods: one that is not ready, and one that is."""
    core = client.CoreV1Api(api_client)
    ports = [{"name": "s3", "port": 8333, "targetPort": "web"}, {"name": "metrics", "port": 9327}]
    ports.append({"name": "odd", "port": 1, "targetPort": "unnamed"})
    spec = {"selector": {"app": "store"}, "ports": ports}
    core.create_namespaced_service(namespace, {"metadata": {"name": "store"}, "spec": spec})
    container = {"name": "store", "image": "none", "ports": [{"name": "web", "containerPort": 18333}]}
    for name, ready in (("a", "False"), ("b", "True")):
        metadata = {"name": name, "labels": {"app": "store"}}
        core.create_namespaced_pod(namespace, {"metadata": metadata, "spec": {"containers": [container]}})
        status = {"status": {"conditions": [{"type": "Ready", "status": ready}]}}
        core.patch_namespaced_pod_status(name, namespace, status)
    return Kube(api_client, namespace)


@pytest.mark.apiserver
def test_a_service_leads_to_a_pod_that_is_ready_and_to_the_port_behind_its_own(kube: Kube) -> None:
    assert Service(kube, "store", 8333).pod() == ("b", 18333)
    assert Service(kube, "store", 9327).pod() == ("b", 9327)


@pytest.mark.apiserver
def test_what_is_not_there_is_named(kube: Kube) -> None:
    with pytest.raises(NotFoundError, match=f"Service store in namespace {kube.namespace} has no port 80"):
        Service(kube, "store", 80).pod()
    with pytest.raises(NotFoundError, match=f"pod b in namespace {kube.namespace} has no port unnamed"):
        Service(kube, "store", 1).pod()
    with pytest.raises(NotFoundError, match="Service forgotten in namespace"):
        reachable(kube, f"http://forgotten.{kube.namespace}.svc:8333")
    client.CoreV1Api(kube.api).patch_namespaced_pod_status(
        "b", kube.namespace, {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    )
    with pytest.raises(NotFoundError, match=r"no pod of Service store in namespace .* is ready"):
        Service(kube, "store", 8333).pod()


@pytest.mark.apiserver
def test_one_way_serves_as_long_as_the_process_lives(kube: Kube) -> None:
    endpoint = f"http://store.{kube.namespace}.svc.cluster.local:8333"
    way = reachable(kube, endpoint)
    assert way.startswith("http://127.0.0.1:")
    assert reachable(kube, endpoint) == way
    # By somebody else's rights it is another one.
    assert reachable(Kube(client.ApiClient(kube.api.configuration), kube.namespace), endpoint) != way


@pytest.mark.apiserver
def test_others_use_the_cluster_while_a_connection_is_made(kube: Kube) -> None:
    def forward(_: int) -> None:
        with pytest.raises(RefusedError):
            kube.forward("b", 18333)

    with ThreadPoolExecutor(8) as pool:
        tried = pool.map(forward, range(20))
        found = list(pool.map(lambda _: kube.service("store"), range(100)))
        list(tried)
    assert {one["metadata"]["name"] for one in found if one} == {"store"}


@pytest.mark.apiserver
def test_a_pod_that_no_node_runs_cannot_be_reached(kube: Kube) -> None:
    with pytest.raises(RefusedError, match="no way to port 18333 of pod b"):
        kube.forward("b", 18333)
    with pytest.raises(RefusedError, match=r"pods/portforward|no way"):
        kube.forward(f"none-{uuid.uuid4()}", 18333)
