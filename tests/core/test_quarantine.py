"""A run known to be wrong: kept and named, out of best and means, and done once more with the same seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.api import ExperimentSpec
from finetune_core.planning.experiment import plan_warnings
from finetune_core.planning.plan import Plan, pin_key
from finetune_core.results.document import build_document
from finetune_core.results.schema import RunState
from finetune_core.tables.experiment import results_markdown
from support.results import plan_of, result_of

RUNS = {"cola": 2, "rte": 3}
PLAN = plan_of(RUNS)


def quarantined(*ids: str) -> Plan:
    return plan_of(RUNS, quarantine=[{"runId": one, "reason": f"reason of {one}"} for one in ids])


@given(st.sets(st.sampled_from([run.run_id for run in PLAN.runs])))
def test_only_the_quarantined_runs_are_planned_again_with_their_seed_and_another_id(ids: set[str]) -> None:
    plan = quarantined(*sorted(ids))

    assert {run.run_id for run in plan.quarantined} == ids
    for before, after in zip(PLAN.runs, plan.runs, strict=True):
        assert (after.task, after.run, after.seed) == (before.task, before.run, before.seed)
        assert (after.run_id == before.run_id) == (before.run_id not in ids)
    assert len({run.run_id for run in plan.runs} | ids) == len(plan.runs) + len(ids)


def test_what_took_its_place_can_be_quarantined_too() -> None:
    first = PLAN.runs_of("rte")[1].run_id
    second = quarantined(first).runs_of("rte")[1].run_id

    plan = quarantined(first, second)

    assert [run.run_id for run in plan.quarantined] == [first, second]
    assert plan.runs_of("rte")[1].run_id not in {first, second}


def test_an_id_that_is_not_planned_and_an_entry_that_is_taken_back_change_nothing() -> None:
    assert quarantined("0" * 16) == quarantined() == PLAN


def test_an_entry_without_a_run_is_warned_of_and_those_that_have_one_are_not() -> None:
    known, unknown = PLAN.runs_of("rte")[0].run_id, "0" * 16
    entries = [{"runId": one, "reason": "its GPU was broken"} for one in (known, unknown)]
    spec = ExperimentSpec.model_validate({"model": {"uri": PLAN.model.uri}, "quarantine": entries})

    told = [one for one in plan_warnings(spec, quarantined(known, unknown)) if one.startswith("spec.quarantine")]

    assert len(told) == 1
    assert f"{unknown} is no run of this plan" in told[0]
    assert "correct or remove it" in told[0]


def test_the_plan_is_made_anew_when_the_list_changes() -> None:
    specs = [
        ExperimentSpec.model_validate({"model": {"uri": "s3://b/m"}, "quarantine": entries})
        for entries in (None, [{"runId": "0" * 16, "reason": "a"}])
    ]

    assert pin_key(specs[0], "uid") != pin_key(specs[1], "uid")


def test_the_best_of_all_is_not_the_best_once_it_is_quarantined() -> None:
    wrong = PLAN.runs_of("rte")[2]
    results = {run.run_id: result_of(PLAN, "rte", run.run, 0.5 + run.run / 10) for run in PLAN.runs_of("rte")}
    plan = quarantined(wrong.run_id)

    document = build_document(plan, results, {}, uri="s3://b/team/demo", models={})

    (row,) = (task for task in document.tasks if task.task == "rte")
    assert row.best.run == 1
    assert row.metrics[0].n == 2
    assert [run.state for run in document.runs if run.task == "rte"][2] == RunState.MISSING
    assert [(one.task, one.run, one.run_id) for one in document.quarantined] == [("rte", 2, wrong.run_id)]
    text = results_markdown(document).decode()
    assert f"- rte run 2 ({wrong.run_id}): reason of {wrong.run_id}" in text
    assert (
        "Quarantined"
        not in results_markdown(build_document(PLAN, results, {}, uri="s3://b/team/demo", models={})).decode()
    )


@pytest.mark.parametrize("entry", [{"runId": "rte/0", "reason": "a"}, {"runId": "0" * 16, "reason": ""}])
def test_entries_name_a_run_id_and_say_why(entry: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="quarantine"):
        ExperimentSpec.model_validate({"model": {"uri": "s3://b/m"}, "quarantine": [entry]})
