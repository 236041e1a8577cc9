"""Keys that are limited to one namespace's folder suffice for all that is done for it, and for nothing else."""

from collections.abc import Iterator

import pytest

from finetune_store import AccessDeniedError, S3Connection, Store, creates_once, open_store
from support.seaweed import SeaweedS3

pytestmark = pytest.mark.s3
ACTIONS = ("Read", "Write", "List", "Tagging")


@pytest.fixture(scope="module")
def server() -> Iterator[SeaweedS3]:
    limits = {name: [f"{action}:shared/out/{name}/*" for action in ACTIONS] for name in ("team", "victim")}
    with SeaweedS3(limited=limits) as made:
        made.create_bucket("shared")
        yield made


def store_of(server: SeaweedS3, name: str) -> Store:
    keys = server.keys(name)
    connection = S3Connection(server.endpoint, "us-east-1", keys.access, keys.secret)
    return open_store("s3://shared/out", connection=connection, retry_seconds=0)


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
