"""Damage hits what it says, of the right subject, and is put down before it is done."""

import hashlib
from dataclasses import replace
from itertools import islice

import pytest

from chaos.damage import DAMAGES
from chaos.faults import Fault, Kind, faults
from chaos.forged import look
from chaos.look import Eyes
from chaos.observed import Look, Seen, Tampered
from chaos.subjects import Subject, experiment_spec, search_spec
from e2e.harness import Experiment, Search
from finetune_store import open_store

RESULT = "space/storm/runs/rte/id/result.json"
TRIAL = "space/storm-search/trials/rte/00000"
OBJECTS = {
    RESULT: b"0123456789",
    "space/storm/runs/rte/id/attempts/a/started.json": b"{}",
    "space/storm-10/runs/rte/id/result.json": b"another's",
    f"{TRIAL}/result.json": b"0123456789",
    f"{TRIAL}/claims/0000.json": b"0123456789",
}


class Bucket(Eyes):
    """A store in memory."""

    def __init__(self) -> None:
        self.namespace, self.objects = "space", dict(OBJECTS)

    def now(self) -> float:
        return 7.0

    def look(self) -> Look:
        return look(keys={key: Seen("", 0) for key in self.objects})

    def read(self, key: str) -> bytes:
        return self.objects[key]

    def write(self, key: str, data: bytes) -> None:
        self.objects[key] = data

    def remove(self, key: str) -> None:
        del self.objects[key]


def fault(kind: Kind, draw: float) -> Fault:
    found = next(fault for fault in islice(faults(0, 30), 100) if fault.kind is kind)
    return replace(found, draw=draw)


@pytest.mark.parametrize("draw", [0.0, 0.999])
@pytest.mark.parametrize(
    ("kind", "key", "left"),
    [
        (Kind.RESULT_TORN, RESULT, b"01234"),
        (Kind.RESULT_DELETED, RESULT, None),
        (Kind.TRIAL_TORN, f"{TRIAL}/result.json", b"01234"),
        (Kind.TRIAL_DELETED, f"{TRIAL}/result.json", None),
        (Kind.CLAIM_TORN, f"{TRIAL}/claims/0000.json", b"01234"),
        (Kind.CLAIM_DELETED, f"{TRIAL}/claims/0000.json", None),
    ],
)
def test_one_object_of_the_subject_is_torn_or_deleted(
    tmp_path_factory: pytest.TempPathFactory, kind: Kind, key: str, left: bytes | None, draw: float
) -> None:
    store = open_store(f"file://{tmp_path_factory.mktemp('store')}")
    planned, bucket, tampered = fault(kind, draw), Bucket(), Tampered()
    suite, search = Experiment("space", "storm", store), Search("space", "storm-search", store)
    subject = Subject(search, search_spec()) if planned.on_search else Subject(suite, experiment_spec(2), 2)

    assert DAMAGES[kind](bucket, subject, tampered, planned) == key
    assert bucket.objects == {name: data for name, data in {**OBJECTS, key: left}.items() if data is not None}
    torn = {hashlib.md5(left, usedforsecurity=False).hexdigest()} if left else set()
    of_result = key.endswith("result.json")
    assert tampered == (Tampered(keys={key: 7.0}, torn=torn) if of_result else Tampered(trials={TRIAL}))


def test_where_nothing_is_to_be_damaged_nothing_is_hit(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = open_store(f"file://{tmp_path_factory.mktemp('store')}")
    subject, tampered = Subject(Experiment("space", "calm", store), experiment_spec(2), 2), Tampered()

    assert DAMAGES[Kind.RESULT_TORN](Bucket(), subject, tampered, fault(Kind.RESULT_TORN, 0.5)) == ""
    assert tampered == Tampered()
