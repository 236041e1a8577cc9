"""The checker finds what was wrong at a moment only, and forgives what the campaign itself has done."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.check_course import check_course
from chaos.forged import job, look, pod
from chaos.observed import Look, Seen, Tampered

RUN = "space/storm/runs/rte/id"
RESULT = f"{RUN}/result.json"
TRIAL = "space/storm-search/trials/rte/00000"


def began(*pods: str, at: float = 0) -> dict[str, Seen]:
    return {f"{RUN}/attempts/{uid}/metrics.jsonl": Seen("any", at) for uid in pods}


def result(etag: str = "first", at: float = 10) -> dict[str, Seen]:
    return {RESULT: Seen(etag, at)}


def wrong(*looks: Look, tampered: Tampered | None = None) -> list[str]:
    return [violation.invariant for violation in check_course(looks, tampered or Tampered())]


def test_a_flawless_course_has_nothing_wrong() -> None:
    interrupted = look(0, keys=began("a"), pods=[pod("a")], jobs=[job("job")])
    resumed = look(1, keys=began("a", "b"), pods=[pod("a", "Failed"), pod("b")], jobs=[job("job")])
    ended = look(2, keys={**began("a", "b"), **result()}, pods=[pod("b", "Succeeded")])
    away = replace(ended, at=3, keys=None, children=None, owners=None)

    assert wrong(interrupted, resumed, ended, away, replace(ended, at=4)) == []


def test_two_pods_of_one_run_at_work_are_found() -> None:
    assert wrong(look(keys=began("a", "b"), pods=[pod("a"), pod("b")])) == ["no run twice at the same time"]


def test_two_live_jobs_of_one_owner_are_found() -> None:
    assert wrong(look(jobs=[job("old"), job("new")])) == ["one live Job"]
    assert wrong(look(jobs=[job("old", suspend=True), job("new"), job("done", ended=True)])) == []
    assert wrong(look(jobs=[job("mine"), job("theirs", owner="another")])) == []


def test_a_result_that_is_written_again_or_lost_is_found() -> None:
    assert wrong(look(0, keys=result()), look(1, keys=result("second"))) == ["each run one result"]
    assert wrong(look(0, keys=result()), look(1, keys={})) == ["each run one result"]
    assert wrong(look(0, keys=result()), look(1, keys={}), tampered=Tampered(keys={RESULT: 0.5})) == []


def test_a_result_that_the_campaign_damaged_counts_again_once_it_is_back() -> None:
    ours = Tampered(keys={RESULT: 0.5}, torn={"torn"})
    healed = [look(0, keys=result()), look(1, keys=result("torn")), look(2, keys={})]
    healed.append(look(3, keys={**began("a"), **result("back", at=10)}))

    assert wrong(*healed, tampered=ours) == []
    assert wrong(*healed, look(4, keys={}), tampered=ours) == ["each run one result"]
    assert wrong(*healed, look(4, keys=result("third")), tampered=ours) == ["each run one result"]
    executed = look(4, keys={**began("a"), **began("c", at=20), **result("back", at=10)})
    assert wrong(*healed, executed, tampered=ours) == ["not executed again after its result"]


def test_an_attempt_after_the_result_is_found() -> None:
    ended = look(0, keys={**began("a"), **result(at=10)})
    again = look(1, keys={**began("a"), **began("b", at=20), **result(at=10)})

    assert wrong(ended, again) == ["not executed again after its result"]
    assert wrong(ended, again, tampered=Tampered(keys={RESULT: 0.5})) == []


def test_an_attempt_that_began_before_the_result_is_none_after_it() -> None:
    ended = look(0, keys={**began("a"), **result(at=10)})
    raced = look(1, keys={**began("a"), **began("b", at=9), **result(at=10)})

    assert wrong(ended, raced) == []


def drivers(at: float, *uids: str) -> Look:
    beats = {f"space/storm-search/drivers/c0-{uid}.json": driver(uid) for uid in uids}
    return replace(look(at, pods=[pod(uid) for uid in uids]), beats=beats)


def driver(uid: str) -> dict[str, object]:
    return {"driver": f"c0-{uid}", "running": ["trials/rte/00000"]}


def test_two_living_drivers_at_one_trial_are_found() -> None:
    looks = drivers(0, "a", "b"), drivers(1, "a", "b")

    assert wrong(*looks) == ["no run twice at the same time"]
    assert wrong(*looks, tampered=Tampered(frozen={"a"})) == []
    assert wrong(*looks, tampered=Tampered(trials={TRIAL})) == []


def test_a_trial_that_is_handed_over_is_not_done_twice() -> None:
    assert wrong(drivers(0, "a"), drivers(1, "a", "b"), drivers(2, "b")) == []


@pytest.mark.parametrize("file", ["check_course", "check_orphans", "check_results", "look", "observed"])
def test_what_judges_the_product_imports_nothing_of_it(file: str) -> None:
    tree = ast.parse(Path(check_course.__globals__["__file__"]).with_name(f"{file}.py").read_text())
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [name for name in named if name.partition(".")[0].startswith("finetune")]
