"""The operator as a process, and a namespace that does all that takes memory and time; tests/e2e: on a cluster."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune_dev.apiserver import ApiServer
from support.apiserver import until
from support.hostile_store import Server
from support.hostile_tenants import CONFIG_MAPS, KEYS, Hostile, config_map, hostiles
from support.operator_process import OperatorProcess
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]
_SECONDS = 120
TARRED = 4
"""As many as one namespace gets workers."""

MOST_MIB = 400
"""Of the 512 that the chart gives."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The tenant's store."""
    with Server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_all_of_it_ends_in_conditions_and_the_others_notice_nothing(
    api_server: ApiServer, world: World, other_world: World, endpoint: str, tmp_path: Path
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    world.core.create_namespaced_secret(world.namespace, {"metadata": {"name": KEYS}, "stringData": keys})
    for name in CONFIG_MAPS:
        world.core.create_namespaced_config_map(world.namespace, config_map(name))
    attack = hostiles(endpoint, TARRED)
    settings = {"FINETUNE_NAMESPACES": f"{world.namespace},{other_world.namespace}", "FINETUNE_WORKERS": "8"}
    with OperatorProcess(api_server.kubeconfig, tmp_path / "log", **settings) as process:
        for name, hostile in attack.items():
            world.apply(name, hostile.spec)
        other_world.apply("exp", spec_of(world.server, {"rte": 2}))
        until(lambda: bool(other_world.jobs("exp")), "the other namespace's Job", _SECONDS)
        for name, hostile in attack.items():
            until(lambda: is_told(world, name, hostile), f"{name} to be told", _SECONDS)  # noqa: B023
        assert process.get("/healthz") == (200, "ok")
        assert peak_mib(process.pid) < MOST_MIB


def is_told(world: World, name: str, hostile: Hostile) -> bool:
    conditions = world.status(name).get("conditions") or ()
    return any(
        (one["type"], one["reason"]) == (hostile.type, hostile.reason) and hostile.words in one["message"]
        for one in conditions
    )


def peak_mib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
