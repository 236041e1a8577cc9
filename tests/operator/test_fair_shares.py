"""The operator's process, and a namespace whose experiments never come to an end: the others notice nothing."""

from pathlib import Path

import pytest

from finetune_dev.apiserver import ApiServer
from support.apiserver import until
from support.operator_process import OperatorProcess
from support.tarpit import Tarpit
from support.world import SECRET, World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]
_SECONDS = 30
MANY = 12


def test_a_namespace_full_of_experiments_on_a_store_like_tar_keeps_no_other_waiting(
    api_server: ApiServer, world: World, other_world: World, tmp_path: Path
) -> None:
    settings = {"FINETUNE_NAMESPACES": f"{world.namespace},{other_world.namespace}", "FINETUNE_WORKERS": "4"}
    with Tarpit("headers") as server:
        storage = {"endpoint": server.endpoint, "bucket": "results", "secretRef": {"name": SECRET}}
        for number in range(MANY):
            world.apply(f"slow-{number}", spec_of(world.server, {"rte": 1}, storage=storage))
        with OperatorProcess(api_server.kubeconfig, tmp_path / "log", **settings) as process:
            until(lambda: server.connections >= 2, "its part of the workers to be held", _SECONDS)
            other_world.apply("exp", spec_of(world.server, {"rte": 2}))
            until(lambda: bool(other_world.jobs("exp")), "the other namespace's Job", _SECONDS)
            assert process.get("/healthz") == (200, "ok")
