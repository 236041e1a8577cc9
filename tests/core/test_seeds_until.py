"""`runsUntil`: seeds are added until a mean is narrow, or there are as many as there may be; a plan only grows."""

import random
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.api import Execution, ExperimentSpec, RunsUntil, TaskSpec
from finetune_core.api.budget import Budget
from finetune_core.api.status import ExperimentStatus, Reason
from finetune_core.deciding.actions import CreateReportJob
from finetune_core.deciding.budget import Limits
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment.decision import Decision, decide
from finetune_core.deciding.experiment.status import build_status
from finetune_core.deciding.observation import FailureCause, JobRole, JobView, Observation, ReportView
from finetune_core.deciding.report_digest import report_digest
from finetune_core.planning.experiment import plan_experiment
from finetune_core.planning.inputs import ResolvedInputs
from finetune_core.planning.parse import check_spec, parse_spec, runs_of, task_specs
from finetune_core.planning.plan import Plan, ResolvedData, pin_key
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.results.document import build_document
from finetune_core.seeds.enough import Enough
from finetune_core.seeds.growth import more_runs, most_runs, with_runs
from finetune_core.seeds.narrow import SeedsVerdict, judge
from finetune_core.spent import Spent
from finetune_core.tables.experiment import results_markdown
from finetune_core.tasks.data_files import DataLayout, SplitFiles
from support.plans import outcome
from support.results import MODEL, result_of

UNTIL = {"halfWidth": 2.0, "min": 3, "max": 8}


def spec(**fields: Any) -> ExperimentSpec:
    base = {"model": {"uri": MODEL.uri}, "tasks": [{"name": "rte"}, {"name": "cola", "runs": 2}], "runsUntil": UNTIL}
    return parse_spec({**base, **fields})


def plan_of(made: ExperimentSpec, before: Plan | None = None) -> Plan:
    data = ResolvedData(uri="s3://bucket/glue", digest="d", splits=SplitFiles(layout=DataLayout.TSV, files={}))
    inputs = ResolvedInputs(MODEL, {task.name: data for task in task_specs(made)})
    return plan_experiment(made, inputs, namespace="ns", name="exp", before=before)


def ids(plan: Plan, task: str = "rte") -> list[str]:
    return [run.run_id for run in plan.runs_of(task)]


def seen(plan: Plan, values: list[float | None], **changes: Any) -> Observation:
    """All of CoLA's runs and the first of RTE's have ended, those with None failed."""
    runs = [*zip(plan.runs_of("rte"), values, strict=False), *((run, 0.5) for run in plan.runs_of("cola"))]
    base = Observation(plan=plan, execution=Execution(), executor=JOB, template="t")
    outcomes = {run.run_id: outcome(run, value=value) for run, value in runs if value is not None}
    failed = {run.run_id: FailureCause("UserError", "no") for run, value in runs if value is None}
    return replace(base, **{"outcomes": outcomes, "given_up": failed, **changes})


SURE, UNSURE = [0.7, 0.701, 0.702], [0.70, 0.71, 0.72]


@pytest.mark.parametrize(
    ("values", "ended", "verdict"),
    [
        ([70, 70.1, 70.2], 3, SeedsVerdict(Enough.NARROW, 3, 2)),
        ([70, 71, 72], 3, SeedsVerdict(Enough.GOES_ON, 5, pytest.approx(4.021, abs=1e-3))),
        ([70, 71, 72], 4, SeedsVerdict(Enough.GOES_ON, 6, pytest.approx(4.021, abs=1e-3))),
        ([60, 71, 82], 3, SeedsVerdict(Enough.GOES_ON, 6, pytest.approx(44.23, abs=1e-2))),
        ([60, 65, 71, 76, 82], 5, SeedsVerdict(Enough.GOES_ON, 8, pytest.approx(14.58, abs=1e-2))),
        ([60, 65, 71, 76, 82, 70, 70, 69], 8, SeedsVerdict(Enough.AT_MOST, 8, pytest.approx(7.03, abs=1e-1))),
        ([70, 70, 70], 3, SeedsVerdict(Enough.GOES_ON, 6, None)),
        ([70, 70, 70.1], 3, SeedsVerdict(Enough.GOES_ON, 6, None)),
        ([70] * 5 + [71, 72, 73], 8, SeedsVerdict(Enough.AT_MOST, 8, None)),
        ([70] * 4 + [71, 72, 73, 74], 8, SeedsVerdict(Enough.NARROW, 8, 2)),
        ([70] * 8, 8, SeedsVerdict(Enough.AT_MOST, 8, None)),
        ([70], 3, SeedsVerdict(Enough.TOO_FEW_VALUES, 3, None)),
        ([], 3, SeedsVerdict(Enough.TOO_FEW_VALUES, 3, None)),
    ],
)
def test_a_task_has_enough_or_goes_on(values: list[float], ended: int, verdict: SeedsVerdict) -> None:
    assert judge(values, ended, RunsUntil.model_validate(UNTIL)) == verdict


@given(st.lists(st.floats(0, 100), max_size=20), st.integers(0, 5), st.floats(0.01, 50), st.integers(3, 30))
def test_what_goes_on_gets_a_few_more_and_never_too_many(
    values: list[float], lost: int, half: float, most: int
) -> None:
    ended = len(values) + lost
    verdict = judge(values, ended, RunsUntil(least=3, most=most, half_width=half))
    if verdict.enough == Enough.GOES_ON:
        assert ended < verdict.runs <= most
        assert verdict.runs <= lost + 2 * len(values)
    else:
        assert verdict.runs == ended
    if verdict.enough == Enough.NARROW:
        assert verdict.half == half


def test_the_rule_holds_its_promise_where_a_naive_one_does_not() -> None:
    """A small version of bench/bench_seeds.py: the bounds allow for the error of 600 experiments."""
    rng, held = random.Random(5), 0
    for _ in range(600):
        values = [rng.gauss(0, 1) for _ in range(5)]
        while (
            verdict := judge(values, len(values), RunsUntil(least=5, most=20, half_width=0.6))
        ).enough == Enough.GOES_ON:
            values += [rng.gauss(0, 1) for _ in range(verdict.runs - len(values))]
        held += abs(fmean(values)) <= (verdict.half or 0)
    assert held / 600 > 0.93


def test_it_begins_with_the_least_and_its_runs_are_those_of_a_number_of_runs() -> None:
    plan, ten = plan_of(spec()), plan_of(spec(runsUntil=None, runs=8))
    assert ids(plan) == ids(ten)[:3]
    assert ids(with_runs(plan, spec(), {"rte": 8})) == ids(ten)
    assert ids(plan, "cola") == ids(ten, "cola"), "a task's own runs go before"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=4))
def test_a_plan_only_grows(asked: list[int]) -> None:
    made = spec()
    plan = plan_of(made)
    for runs in asked:
        grown = with_runs(plan, made, {"rte": runs})
        assert ids(grown)[: len(ids(plan))] == ids(plan)
        assert len(ids(grown)) == max(runs, len(ids(plan)))
        assert grown.task_names == plan.task_names
        plan = Plan.model_validate_json(grown.to_bytes())


def test_a_quarantined_run_is_done_again_whenever_it_is_planned() -> None:
    wrong = ids(plan_of(spec(runsUntil=None, runs=8)))[4]
    made = spec(quarantine=[{"runId": wrong, "reason": "a bad node"}])
    grown = with_runs(plan_of(made), made, {"rte": 6})
    assert wrong not in ids(grown)
    assert [run.run_id for run in grown.quarantined] == [wrong]


def test_another_spec_keeps_the_runs_that_there_are() -> None:
    grown = with_runs(plan_of(spec()), spec(), {"rte": 6})
    wider = spec(runsUntil={**UNTIL, "halfWidth": 9.0})
    assert ids(plan_of(wider, before=grown)) == ids(grown)
    lower = spec(runsUntil={**UNTIL, "max": 4})
    assert ids(plan_of(lower, before=grown)) == ids(grown)[:4]
    other = spec(seed=7)
    assert len(ids(plan_of(other, before=grown))) == 3, "none of its runs is one of today's"
    number = plan_of(spec(runsUntil=None, runs=2), before=grown)
    assert len(ids(number)) == 2, "a number of runs is what it says"


def most_by_task(plan: Plan, values: list[float | None]) -> dict[str, int]:
    outcomes = seen(plan, values).outcomes
    return {task: most_runs(plan, task, outcomes) for task in plan.task_names}


def test_nothing_is_looked_at_before_all_runs_have_ended() -> None:
    plan = plan_of(spec())
    assert more_runs(plan, seen(plan, UNSURE[:2]).outcomes) == {}
    assert most_by_task(plan, UNSURE[:2]) == {"rte": 8, "cola": 2}
    assert more_runs(plan, seen(plan, UNSURE).outcomes) == {"rte": 5}
    assert most_by_task(plan, SURE) == {"rte": 3, "cola": 2}


def test_runs_are_added_once_all_have_ended_and_no_report_is_made_before() -> None:
    plan = plan_of(spec())
    decision = decide(seen(plan, UNSURE))
    assert (decision.reason, decision.added, decision.done) == (Reason.RUNNING, {"rte": 5}, False)
    assert "rte is to have 5 runs" in decision.message
    assert not decision.actions
    assert not decide(seen(plan, UNSURE[:2])).added


def test_a_job_at_work_is_left_alone() -> None:
    plan = plan_of(spec())
    at_work = seen(plan, UNSURE)
    job = JobView("job", JobRole.TRAIN, at_work.revision, parallelism=1, indexes=(), active=1, ready=1)
    assert not decide(replace(at_work, jobs=(job,))).added


def test_a_failed_run_is_no_value_and_one_more_takes_its_place() -> None:
    plan = with_runs(plan_of(spec()), spec(), {"rte": 4})
    assert decide(seen(plan, [0.70, None, 0.71, 0.72])).added == {"rte": 6}
    lost = decide(seen(plan, [None, None, None, 0.7]))
    assert not lost.added
    assert any(isinstance(action, CreateReportJob) for action in lost.actions)


def test_a_value_that_is_not_finite_is_none() -> None:
    plan = plan_of(spec())
    outcomes = {run.run_id: outcome(run, value=float("nan")) for run in plan.runs_of("rte")}
    assert more_runs(plan, outcomes) == {}


def spent(plan: Plan, hours: float) -> Observation:
    dear = {key: replace(one, spent=Spent(3600.0)) for key, one in seen(plan, UNSURE).outcomes.items()}
    return seen(plan, UNSURE, outcomes=dear, limits=Limits(Budget(gpu_hours=hours)))


def test_a_spent_budget_adds_none_and_says_so() -> None:
    plan = plan_of(spec())
    assert decide(spent(plan, 6)).added == {"rte": 5}
    short = spent(plan, 5)
    reported = replace(short, report=ReportView(report_digest(plan, short.outcomes.values(), ())))
    decision = decide(reported)
    assert (decision.reason, decision.added, decision.done) == (Reason.BUDGET_SPENT, {}, True)
    assert "runsUntil asks for more runs of rte. Raise it to go on." in decision.message


def status(of: Observation) -> ExperimentStatus:
    decision: Decision = decide(of)
    return build_status(of, decision, ExperimentStatus(), uri="s3://b", eta=None, warnings=(), generation=1, now="n")


def test_status_says_how_many_there_may_be_and_why_it_stopped() -> None:
    plan = plan_of(spec())
    going, done = status(seen(plan, UNSURE)), status(seen(plan, SURE))
    assert (going.runs and going.runs.summary, going.tasks[0].runs) == ("5/5..10", "3/3..8")
    assert going.tasks[0].seeds == "3 are not enough: mean ± 4.02, not ± 2.00"
    assert (done.runs and done.runs.summary, done.tasks[0].runs) == ("5/5", "3/3")
    assert done.tasks[0].seeds == "3 are enough: mean ± 2.00"
    assert done.tasks[1].seeds is None


def test_tables_say_it_too() -> None:
    plan = with_runs(plan_of(spec()), spec(), {"rte": 8})
    results = {}
    for task in ("rte", "cola"):
        for run in plan.runs_of(task):
            results[run.run_id] = result_of(plan, task, run.run, 0.6 + run.run / 20)
    document = build_document(plan, results, {}, uri="s3://b", models={})
    assert document.tasks[0].seeds
    assert (document.tasks[0].seeds.enough, document.tasks[1].seeds) == (Enough.AT_MOST, None)
    assert "8 at most: mean ± 12.98, not ± 2.00" in results_markdown(document).decode()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"runs": 3}, Problem("spec.runsUntil", "runs says how many seeds there are, runsUntil when there are enough")),
        ({"runsUntil": {**UNTIL, "min": 9}}, Problem("spec.runsUntil", "min is more than max")),
        (
            {"tasks": [{"name": "rte", "runs": 1, "runsUntil": UNTIL}]},
            Problem("spec.tasks[rte].runsUntil", "runs says"),
        ),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], problem: Problem) -> None:
    (found,) = check_spec(spec(**fields))
    assert found.field == problem.field
    assert problem.message in found.message


@pytest.mark.parametrize("wrong", [{"halfWidth": 0}, {"min": 2}, {"max": 101}, {"min": None}])
def test_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        spec(runsUntil={**UNTIL, **wrong})


def test_folds_are_refused() -> None:
    folded = {
        "name": "spam",
        "problemType": "Classification",
        "labels": ["a", "b"],
        "folds": 5,
        "data": {"uri": "s3://b/d", "train": "train.csv", "textColumns": ["text"]},
    }
    (found,) = check_spec(spec(tasks=[folded]))
    assert found.field == "spec.tasks[spam].folds"
    assert not check_spec(spec(tasks=[{**folded, "runs": 2}]))


def test_the_most_runs_count_for_how_many_an_experiment_can_have() -> None:
    custom = {
        "problemType": "Regression",
        "data": {"uri": "s3://b/d", "train": "a.csv", "validation": "b.csv", "textColumns": ["text"]},
    }
    tasks = [{"name": f"own-{place}", **custom} for place in range(11)]
    (found,) = check_spec(spec(tasks=tasks, runsUntil={**UNTIL, "max": 100}))
    assert found.message.startswith("1100 runs in all; at most 1000")
    assert not check_spec(spec(tasks=tasks))
    assert runs_of(spec(), TaskSpec(name="rte")) == 3


def test_specs_without_it_are_pinned_as_before() -> None:
    """An upgrade resolves nothing anew."""
    fixed = spec(runsUntil=None, runs=3)
    assert b"ntil" not in plan_of(fixed).to_bytes()
    assert "runsUntil" not in fixed.model_dump_json(by_alias=True)
    assert pin_key(fixed, "uid") != pin_key(spec(), "uid")
