"""What is no name reaches no API server: by the operator's rights or by the viewer's, in a path or in a selector."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from finetune_client.errors import ClientError, UsageError
from finetune_client.kube.client import Kube
from finetune_core.names import is_key
from finetune_kube.errors import InvalidNameError
from finetune_kube.kinds import CONFIG_MAP, EXPERIMENT, JOB, RAY_JOB, SECRET
from finetune_kube.paths import api_path, field_selector, label_selector
from finetune_operator.cluster import Cluster
from support.hostile import HOSTILE
from support.recording_api import RecordingApi, serving

OPERATOR: dict[str, Callable[[Cluster, str], Any]] = {
    "get_experiment": lambda cluster, name: cluster.get_experiment("team", name),
    "patch_experiment_status": lambda cluster, name: cluster.patch_experiment_status("team", name, {}, version="1"),
    "get_search": lambda cluster, name: cluster.get_search("team", name),
    "patch_job": lambda cluster, name: cluster.patch_work(JOB, "team", name, {}, uid="u"),
    "delete_job": lambda cluster, name: cluster.delete_work(JOB, "team", name, uid="u"),
    "delete_ray_job": lambda cluster, name: cluster.delete_work(RAY_JOB, "team", name, uid="u"),
    "delete_config_map": lambda cluster, name: cluster.delete_config_map("team", name, uid="u"),
    "get_config_map": lambda cluster, name: cluster.get_config_map("team", name),
    "replace_config_map": lambda cluster, name: cluster.replace_config_map("team", {"metadata": {"name": name}}),
    "get_network_policy": lambda cluster, name: cluster.get_network_policy("team", name),
    "delete_network_policy": lambda cluster, name: cluster.delete_network_policy("team", name, uid="u"),
    "get_secret": lambda cluster, name: cluster.get_secret("team", name),
    "list_pods of a namespace": lambda cluster, name: cluster.list_pods(name, {}),
    "evict_pod": lambda cluster, name: cluster.evict_pod("team", name, uid="u"),
    "get_local_queue": lambda cluster, name: cluster.get_local_queue("team", name),
    "list_events": lambda cluster, name: cluster.list_events("team", name),
}
VIEWER: dict[str, Callable[[Kube, str], Any]] = {
    "get": lambda kube, name: kube.get(EXPERIMENT, name),
    "patch": lambda kube, name: kube.patch(EXPERIMENT, name, {}),
    "apply": lambda kube, name: kube.apply(EXPERIMENT, {"metadata": {"name": name}}),
    "config_map": lambda kube, name: kube.config_map(name),
    "secret": lambda kube, name: kube.secret(name),
    "service": lambda kube, name: kube.service(name),
    "log": lambda kube, name: list(kube.log(name)),
    "forward": lambda kube, name: kube.forward(name, 80),
    "objects of a namespace": lambda kube, name: Kube(kube.api, name).objects(EXPERIMENT),
}


@pytest.fixture
def recording() -> RecordingApi:
    return RecordingApi("team")


@pytest.fixture
def cluster(recording: RecordingApi) -> Iterator[Cluster]:
    with serving(recording) as api:
        yield Cluster(api)


@pytest.fixture
def kube(recording: RecordingApi) -> Iterator[Kube]:
    with serving(recording) as api:
        yield Kube(api, "team")


@pytest.mark.parametrize("call", OPERATOR)
def test_the_operator_asks_for_nothing_by_what_is_no_name(recording: RecordingApi, cluster: Cluster, call: str) -> None:
    for name in HOSTILE:
        # A uid may hold capitals.
        if call != "list_events" or name != "A":
            with pytest.raises(InvalidNameError):
                OPERATOR[call](cluster, name)
    assert recording.requests == []


@pytest.mark.parametrize("call", VIEWER)
def test_nor_does_anybody_at_a_terminal_or_page(recording: RecordingApi, kube: Kube, call: str) -> None:
    for name in HOSTILE:
        with pytest.raises(UsageError, match="is no name"):
            VIEWER[call](kube, name)
    assert recording.requests == []


def test_an_error_of_a_very_long_name_is_short() -> None:
    with pytest.raises(InvalidNameError) as caught:
        api_path(SECRET, "team", "x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [text for text in HOSTILE if text not in {"A", ""}])
def test_a_selector_holds_only_labels(recording: RecordingApi, cluster: Cluster, kube: Kube, value: str) -> None:
    with pytest.raises(InvalidNameError):
        cluster.list_work(JOB, "team", {"finetune.dev/experiment": value})
    with pytest.raises(ClientError):
        kube.pods({"finetune.dev/experiment": value})
    with pytest.raises(InvalidNameError):
        # Labels may have a prefix.
        cluster.list_work(JOB, "team", {value.replace("a/b", "a//b"): "a"})
    assert recording.requests == []


def test_paths_of_names_are_as_the_api_has_them() -> None:
    assert api_path(SECRET, "team", "keys") == "/api/v1/namespaces/team/secrets/keys"
    assert api_path(JOB, "team") == "/apis/batch/v1/namespaces/team/jobs"
    assert api_path(EXPERIMENT) == "/apis/finetune.dev/v1alpha1/finetuneexperiments"
    assert api_path(EXPERIMENT, "team", "a.b-1", "status").endswith("/team/finetuneexperiments/a.b-1/status")
    assert api_path(CONFIG_MAP, "a" * 63, "b" * 253).endswith("b" * 253)


@pytest.mark.parametrize("part", ["exec", "../status", ""])
def test_no_other_part_of_an_object_is_asked_for(part: str) -> None:
    with pytest.raises(InvalidNameError):
        api_path(JOB, "team", "a", part)


def test_selectors_are_as_the_api_has_them() -> None:
    assert label_selector({"a": "B_1.c", "x.org/y": ""}) == "a=B_1.c,x.org/y="
    assert field_selector({"metadata.name": "a-1", "type": "Warning"}) == "metadata.name=a-1,type=Warning"


@pytest.mark.parametrize(
    ("key", "good"),
    [("ca.crt", True), (".a", True), ("A_b-c.d", True), ("..a", False), ("a" * 253, True)],
)
def test_keys_are_those_that_kubernetes_takes(key: str, good: bool) -> None:
    assert is_key(key) == good


@pytest.mark.parametrize("key", [text for text in HOSTILE if text not in {"A", "-a", "a."}])
def test_what_is_no_key(key: str) -> None:
    assert not is_key(key)
