"""Keys that are limited to one namespace's folder suffice for all that is done for it, and for nothing else.

What limits them is the policy of docs/how-to/private-models-and-buckets.md, word for word.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune_store import AccessDeniedError, S3Connection, Store, creates_once, open_store
from support.bucket_policy import published_policy, with_shared
from support.seaweed import SeaweedS3

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def server() -> Iterator[SeaweedS3]:
    policies = {name: published_policy("shared", "out", name) for name in ("team", "victim")}
    policies["reader"] = with_shared(published_policy("shared", "out", "reader"), "shared")
    with SeaweedS3(limited=policies) as made:
        made.create_bucket("shared")
        yield made


def store_of(server: SeaweedS3, name: str, uri: str = "s3://shared/out") -> Store:
    keys = server.keys(name)
    connection = S3Connection(server.endpoint, "us-east-1", keys.access, keys.secret)
    return open_store(uri, connection=connection, retry_seconds=0)


def test_they_prove_their_folder_and_write_and_read_and_list_in_it(server: SeaweedS3) -> None:
    store = store_of(server, "team")
    store.check("team")
    assert creates_once(store, "team") is True
    assert store.stat("team/first/plan.json") is None
    store.put("team/first/plan.json", b"{}")
    assert [info.key for info in store.list("team/first")] == ["team/first/plan.json"]
    assert store.get("team/first/plan.json") == b"{}"


def test_what_is_missing_is_told_from_what_is_forbidden_at_the_first_look(server: SeaweedS3) -> None:
    assert store_of(server, "team").stat("team/nothing/here") is None


def test_they_reach_nothing_of_another_namespace(server: SeaweedS3) -> None:
    store_of(server, "victim").put("victim/first/plan.json", b"{}")
    store = store_of(server, "team")
    for reach in (
        store.check,
        lambda: store.check("victim"),
        lambda: creates_once(store, "victim"),
        lambda: store.get("victim/first/plan.json"),
        lambda: store.put("victim/first/plan.json", b"x"),
        lambda: store.list("victim"),
    ):
        with pytest.raises(AccessDeniedError):
            reach()
    assert store_of(server, "victim").get("victim/first/plan.json") == b"{}"


def test_a_large_file_goes_up_in_parts_and_a_claim_is_made_once(server: SeaweedS3, tmp_path: Path) -> None:
    store = store_of(server, "team")
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"x" * (17 << 20))
    store.upload("team/first/model.safetensors", path)
    assert store.get("team/first/model.safetensors") == path.read_bytes()
    assert [store.create("team/first/claim.json", content) for content in (b"a", b"b")] == [True, False]


def test_models_that_namespaces_share_are_read_and_not_changed(server: SeaweedS3) -> None:
    shared = "s3://shared/models/tiny"
    admin = S3Connection.from_env(server.environment)
    open_store(shared, connection=admin).put("config.json", b"{}")
    with pytest.raises(AccessDeniedError):
        store_of(server, "team", shared).get("config.json")
    models = store_of(server, "reader", shared)
    assert [info.key for info in models.list()] == ["config.json"]
    assert models.get("config.json") == b"{}"
    with pytest.raises(AccessDeniedError):
        models.put("config.json", b"theirs")
