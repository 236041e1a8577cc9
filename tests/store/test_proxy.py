"""HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured: a real proxy with a password, real servers, the hub's client."""

import gc
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finetune_core.problems import InvalidInputError
from finetune_store import S3Connection, Store, UnreachableError, bounded_pool, deadline, open_store
from finetune_store._proxy import proxy_of, way_to
from finetune_store.hub import hub_commit
from store.scripted_server import Answer, scripted
from store.tls import make_tls_files
from support.apiserver import until
from support.proxy import Proxy
from support.seaweed import SeaweedS3

OpenStore = Callable[..., Store]
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedS3]:
    with SeaweedS3(tls=make_tls_files(tmp_path_factory.mktemp("tls"))) as server:
        server.create_bucket("bucket")
        yield server


def open_secure(server: SeaweedS3) -> Store:
    return open_store("s3://bucket/p", connection=S3Connection.from_env(server.environment), retry_seconds=0)


@pytest.mark.s3
def test_a_store_with_tls_is_reached_through_the_proxy(
    secure: SeaweedS3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    store = open_secure(secure)
    large = tmp_path / "large"
    large.write_bytes(b"x" * (20 << 20))

    with deadline(60):
        store.check()
        store.upload("large", large)
        store.download("large", tmp_path / "back")

    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    # The proxy writes a tunnel down when it ends.
    del store
    gc.collect()
    tunnel = ("CONNECT", secure.endpoint.removeprefix("https://"))
    until(lambda: tunnel in proxy.passed(), "the tunnel in the proxy's log")


@pytest.mark.s3
def test_a_store_without_tls_is_reached_through_the_other_proxy(
    seaweed: SeaweedS3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    connection = S3Connection.from_env(seaweed.environment)
    store = open_store("s3://contract/proxied", connection=connection, retry_seconds=0)

    store.put("key", b"content")

    assert store.get("key") == b"content"
    put = ("PUT", seaweed.endpoint.removeprefix("http://"))
    until(lambda: put in proxy.passed(), "the request in the proxy's log")


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "example.test, 127.0.0.1", "*"])
def test_what_no_proxy_names_is_reached_directly(
    exempt: str, anyone: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", exempt)
    with scripted(Answer(200, b"content", {"Content-Length": "7"})) as server:
        assert anyone(server.endpoint).get("key") == b"content"


def test_a_proxy_that_does_not_run_is_named_with_its_variable(
    anyone: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://team:made-up-word@127.0.0.1:1")
    for endpoint in ("http://s3.example.test", "https://s3.example.test"):
        with pytest.raises(UnreachableError, match=r"through the proxy http://127\.0\.0\.1:1.*NO_PROXY") as caught:
            anyone(endpoint).get("key")
        assert "made-up-word" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_know_the_password_is_named(
    scheme: str, proxy: Proxy, anyone: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.address)
    with pytest.raises(UnreachableError, match=r"through the proxy .*407.*HTTPS_PROXY"):
        anyone(f"{scheme}://127.0.0.1:9").get("key")


def test_the_hubs_own_client_goes_through_the_proxy(proxy: Proxy, tmp_path: Path) -> None:
    download = "from huggingface_hub import snapshot_download; snapshot_download('org/model')"
    hub = {"HF_ENDPOINT": "http://hub.example.test", "HTTP_PROXY": proxy.url, "HF_HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", download], env=os.environ | hub, capture_output=True, check=False)

    assert ended.returncode != 0  # nobody has that host
    until(lambda: ("GET", "hub.example.test:80") in proxy.passed(), "the request in the proxy's log")


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://s3.example.test", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://s3.example.test", "http://p:3128"),
        ({"HTTPS_PROXY": "p:3128"}, "https://s3.example.test", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://s3.example.test", None),
        ({"HTTP_PROXY": "http://p:3128"}, "http://s3.example.test:9000", "http://p:3128"),
        ({"ALL_PROXY": "http://p:3128"}, "https://s3.example.test", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": ".svc,.example.test"}, "https://s3.example.test", None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3:9000", None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.0/8"}, "https://11.1.2.3:9000", "http://p:3128"),
        ({"HTTPS_PROXY": ""}, "https://s3.example.test", None),
    ],
)
def test_the_environment_names_the_proxy(
    environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == proxy


def test_messages_hold_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://team:made-up-word@proxy.example.test:3128")
    said = way_to("https://s3.example.test")
    assert said == "https://s3.example.test (through the proxy http://proxy.example.test:3128)"


def test_the_operators_own_questions_to_a_hub_go_through_the_proxy(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789" * 4
    answer = f'{{"sha": "{commit}"}}'.encode()
    with scripted(Answer(200, answer, {"Content-Length": str(len(answer))})) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        assert hub_commit("hf://org/model", kind="model", field="model.uri", http=bounded_pool()) == commit
        asked = ("GET", server.endpoint.removeprefix("http://"))
    until(lambda: asked in proxy.passed(), "the request in the proxy's log")


@pytest.mark.s3
def test_a_hub_with_tls_is_asked_through_a_tunnel_of_the_proxy(
    secure: SeaweedS3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = ssl.create_default_context(cafile=secure.environment["AWS_CA_BUNDLE"])
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("HF_ENDPOINT", secure.endpoint)
    before = len(proxy.passed())
    http = bounded_pool(authority)
    # It is no hub, and says so through the tunnel.
    with pytest.raises(InvalidInputError, match="org/model"):
        hub_commit("hf://org/model", kind="model", field="model.uri", http=http)
    http.clear()
    del http
    gc.collect()
    tunnel = ("CONNECT", secure.endpoint.removeprefix("https://"))
    until(lambda: tunnel in proxy.passed()[before:], "the tunnel in the proxy's log")
