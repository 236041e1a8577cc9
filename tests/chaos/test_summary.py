"""How long recovery took, and the table."""

from dataclasses import replace
from itertools import islice

from chaos.faults import Kind, faults
from chaos.forged import look
from chaos.observed import Look, Seen, Violation
from chaos.summary import Injected, table, with_progress

FOLDERS = ("space/storm-1/", "space/storm-1-search/")


def injected(kind: Kind, *, hit: str = "it", progress: float | None = None) -> Injected:
    fault = next(fault for fault in islice(faults(0, 30), 100) if fault.kind is kind)
    return Injected(fault, hit, FOLDERS, began=5, ended=10, progress=progress)


def seen(at: float, *keys: str, etag: str = "any") -> Look:
    return look(at, keys={key: Seen(etag, 0) for key in keys})


def test_recovery_ends_with_the_first_change_of_the_rounds_own_objects() -> None:
    begun = "space/storm-1/runs/rte/id/progress.json"
    looks = [
        seen(9, begun),
        replace(seen(11, begun), keys=None),
        seen(12, begun, "space/storm-1-search/drivers/c0-a.json"),
        seen(13, begun, "space/storm-10/plan.json"),
        seen(14, begun, etag="other"),
    ]

    assert with_progress(injected(Kind.STORE_HANGS), looks).progress == 4
    assert with_progress(injected(Kind.STORE_HANGS), looks[:-1]).progress is None


def test_the_table_has_a_row_a_kind_and_all_violations() -> None:
    hits = [injected(Kind.STORE_HANGS, progress=2), injected(Kind.STORE_HANGS, progress=4)]
    told = table(
        [*hits, injected(Kind.POD_EVICTED), injected(Kind.CLAIM_TORN, hit="")], [Violation("one live Job", "a, b")]
    )

    assert "| store hangs | 2 | 3.0 | 4.0 |" in told
    assert "| pod evicted | 1 | nothing was left to do |" in told
    assert "claim torn" not in told, "it hit nothing"
    assert "3 faults injected, 1 violations found." in told
    assert "- one live Job: a, b" in told
