"""`finetune mcp` on a real API server, with the operator at work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import rest
from mcp.server.mcpserver import MCPServer

from finetune_cli.assistant.reading import Reading
from finetune_cli.assistant.server import server
from finetune_client.finding import cluster
from finetune_ui.sources import ClusterSource
from support.assistant import process, refused, told
from support.world import World, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


@pytest.fixture
def whom(world: World) -> MCPServer:
    return server(Reading(ClusterSource(cluster(None, world.namespace))))


def test_it_tells_what_the_cluster_and_the_store_have(world: World, whom: MCPServer) -> None:
    world.apply("first", spec_of(world.server, {"rte": 2, "cola": 1}))
    world.to_the_end("first")
    place = f"{world.namespace}/first"

    listed = told(whom, "list_experiments_and_searches")
    answer = told(whom, "get_experiment", experiment=place)
    run = told(whom, "get_run", run=f"{place}/rte/0")

    assert [(one["place"], one["status"], one["done"]) for one in listed["items"]] == [(place, "AllRunsSucceeded", 3)]
    assert answer["problem"] == ""
    assert [task["task"] for task in answer["results"]["tasks"]] == ["rte", "cola"]
    assert answer["results"]["tasks"][0]["score"] == pytest.approx(71.0)
    assert run["state"] == "Succeeded"


def test_what_is_wrong_is_told_before_there_is_anything_in_the_store(world: World, whom: MCPServer) -> None:
    world.apply("lost", spec_of(world.server, {"rte": 1}) | {"model": {"uri": "s3://results/none"}})
    world.look("lost")

    answer = told(whom, "get_experiment", experiment=f"{world.namespace}/lost")

    assert answer["results"] is None
    assert "there is no experiment" in answer["problem"]
    assert any("s3://results/none" in note for note in answer["notes"])
    status = told(whom, "explain_reason", reason=world.reason("lost"))
    assert status["rows"]


def test_it_asks_the_cluster_for_nothing_but_to_read(
    world: World, whom: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.to_the_end("first")
    verbs: set[str] = set()
    request: Callable[..., Any] = rest.RESTClientObject.request

    def counted(self: rest.RESTClientObject, method: str, *args: Any, **kwargs: Any) -> Any:
        verbs.add(method)
        return request(self, method, *args, **kwargs)

    monkeypatch.setattr(rest.RESTClientObject, "request", counted)
    place = f"{world.namespace}/first"
    told(whom, "list_experiments_and_searches")
    told(whom, "get_experiment", experiment=place)
    told(whom, "get_run", run=f"{place}/rte/0")
    refused(whom, "get_search", search=place)

    assert verbs == {"GET"}


def test_as_a_process_it_reads_by_the_persons_own_kubeconfig(world: World, tmp_path: Path) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.to_the_end("first")

    answer = told(process("-n", world.namespace, folder=tmp_path), "list_experiments_and_searches")

    assert [one["place"] for one in answer["items"]] == [f"{world.namespace}/first"]
