"""A store that overwrites what is to be created once: said in a condition, and no search has several drivers on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune_client.overview import overview
from finetune_kube.kinds import JOB
from finetune_store import DirectoryStore
from support.hostile_place import BASES, KINDS, Place, collection, operating


class Careless(DirectoryStore):
    """As a server that ignores If-None-Match, and says that all is well."""

    def create(self, key: str, data: bytes) -> bool:
        """See Store; it breaks its promise."""
        self.put(key, data)
        return True


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[Place]:
    with operating(tmp_path, kind=Careless) as place:
        yield place


@pytest.fixture
def careful(tmp_path: Path) -> Iterator[Place]:
    with operating(tmp_path) as place:
        yield place


def jobs(place: Place) -> list[str]:
    return [path for path in place.api.objects if path.startswith(f"{collection(JOB)}/")]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_said_in_a_condition_with_the_remedy_and_the_work_begins(careless: Place, kind: str) -> None:
    careless.put(kind, BASES[kind])
    careless.look(kind, 4)
    assert careless.valid(kind)["status"] == "True"
    unsafe = careless.conditions(kind)["StorageSafe"]
    assert (unsafe["status"], unsafe["reason"]) == ("False", "CreatesRepeatedly")
    assert "the server ignores If-None-Match" in unsafe["message"]
    assert "use a server that honours conditional writes (AWS S3, MinIO, SeaweedFS)" in unsafe["message"]
    assert jobs(careless)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_shown_to_people(careless: Place, kind: str) -> None:
    careless.put(kind, BASES[kind])
    careless.look(kind, 2)
    item = careless.held(KINDS[kind])
    assert careless.conditions(kind)["StorageSafe"]["message"] in overview(item).notes


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_store_that_keeps_its_promise_nothing_is_said(careful: Place, kind: str) -> None:
    careful.put(kind, BASES[kind])
    careful.look(kind, 2)
    assert "StorageSafe" not in careful.conditions(kind)


def test_a_search_with_several_drivers_is_refused_before_anything_runs(careless: Place) -> None:
    careless.put("HPSearch", BASES["HPSearch"] | {"clusters": 2})
    careless.look("HPSearch", 4)
    valid = careless.valid("HPSearch")
    assert (valid["status"], valid["reason"]) == ("False", "StorageRefused")
    assert valid["message"].startswith("spec.clusters: 2 drivers share the trials by creating claims, and file:///")
    assert "set it to 1" in valid["message"]
    assert not jobs(careless)


def test_it_goes_on_by_itself_once_it_has_one_driver(careless: Place) -> None:
    careless.put("HPSearch", BASES["HPSearch"] | {"clusters": 2})
    careless.look("HPSearch")
    careless.edit("HPSearch", BASES["HPSearch"] | {"clusters": 1})
    careless.look("HPSearch", 4)
    assert careless.valid("HPSearch")["status"] == "True"
    assert jobs(careless)


def test_several_drivers_are_fine_on_a_store_that_keeps_its_promise(careful: Place) -> None:
    careful.put("HPSearch", BASES["HPSearch"] | {"clusters": 2})
    careful.look("HPSearch", 4)
    assert careful.valid("HPSearch")["status"] == "True"
    assert jobs(careful)
