import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.api import ExperimentSpec
from finetune_core.planning.cost import expected_cost
from finetune_core.planning.plan import ExecutionLimits, JobPlan, Plan, pin_key
from finetune_core.planning.pods import job_plan, order_runs
from finetune_core.tasks.registry import GLUE_TASKS
from support.results import MODEL, plan_of

LIMITS = ExecutionLimits()
TASKS = (*GLUE_TASKS, "spam", "price")

run_counts = st.dictionaries(st.sampled_from(TASKS), st.integers(1, 6), min_size=1, max_size=5)


@st.composite
def plans_with_pending(draw: st.DrawFn) -> tuple[Plan, frozenset[str]]:
    plan = plan_of(draw(run_counts))
    pending = draw(st.sets(st.sampled_from([run.run_id for run in plan.runs])))
    return plan, frozenset(pending)


@given(run_counts)
def test_the_same_plan_twice_is_the_same_bytes_and_survives_reading(runs: dict[str, int]) -> None:
    plan = plan_of(runs)
    assert plan_of(runs).to_bytes() == plan.to_bytes()
    again = Plan.model_validate_json(plan.to_bytes())
    assert again == plan
    assert again.to_bytes() == plan.to_bytes()
    assert (again.digest, again.work_digest) == (plan.digest, plan.work_digest)


@given(run_counts)
def test_a_plan_has_so_many_runs_a_task_each_with_an_id_of_its_own(runs: dict[str, int]) -> None:
    plan = plan_of(runs)
    assert {task: len(plan.runs_of(task)) for task in runs} == runs
    assert len({run.run_id for run in plan.runs}) == len(plan.runs)
    assert all(re.fullmatch(r"[0-9a-f]{16}", run.run_id) for run in plan.runs)
    for task, count in runs.items():
        assert [run.run for run in plan.runs_of(task)] == list(range(count))


@given(st.permutations(["cola", "rte", "spam"]))
def test_the_order_of_tasks_in_the_spec_changes_no_run(order: list[str]) -> None:
    plan = plan_of(dict.fromkeys(order, 2))
    assert list(plan.tasks) == order
    assert set(plan.runs) == set(plan_of({"cola": 2, "rte": 2, "spam": 2}).runs)


@given(plans_with_pending())
def test_ordered_runs_are_the_pending_ones_each_once_and_longest_first(given_plan: tuple[Plan, frozenset[str]]) -> None:
    plan, pending = given_plan
    ordered = order_runs(plan, pending)
    assert len(ordered) == len(pending)
    assert set(ordered) == pending
    tasks = {run.run_id: run.task for run in plan.runs}
    costs = [expected_cost(plan.tasks[tasks[one]]) for one in ordered]
    assert costs == sorted(costs, reverse=True)


@given(plans_with_pending(), st.randoms(use_true_random=False))
def test_order_depends_neither_on_the_set_nor_on_the_order_of_the_plan_within_a_task(
    given_plan: tuple[Plan, frozenset[str]], random: Any
) -> None:
    plan, pending = given_plan
    shuffled = frozenset(random.sample(sorted(pending), len(pending)))
    assert order_runs(plan, shuffled) == order_runs(plan, pending)


def test_ties_take_every_tasks_first_run_before_any_second_run() -> None:
    plan = plan_of({"spam": 2, "price": 2})  # one and the same recipe
    ordered = order_runs(plan, frozenset(run.run_id for run in plan.runs))
    named = {run.run_id: (run.task, run.run) for run in plan.runs}
    assert [named[one] for one in ordered] == [
        ("spam", 0),
        ("price", 0),
        ("spam", 1),
        ("price", 1),
    ]


@given(plans_with_pending(), st.integers(1, 7))
def test_a_job_plan_does_every_pending_run_once_in_full_pods(
    given_plan: tuple[Plan, frozenset[str]], per_pod: int
) -> None:
    plan, pending = given_plan
    job = job_plan(plan, pending, runs_per_pod=per_pod, limits=LIMITS)
    assert [run for index in job.indexes for run in index] == list(order_runs(plan, pending))
    assert all(len(index) == per_pod for index in job.indexes[:-1])
    assert all(1 <= len(index) <= per_pod for index in job.indexes)
    assert [run.run_id for index in range(len(job.indexes)) for run in job.runs_at(index)] == list(
        order_runs(plan, pending)
    )


@given(plans_with_pending())
def test_a_job_plan_survives_reading(given_plan: tuple[Plan, frozenset[str]]) -> None:
    plan, pending = given_plan
    job = job_plan(plan, pending, runs_per_pod=2, limits=ExecutionLimits(run_timeout_seconds=60))
    assert JobPlan.model_validate_json(job.to_bytes()) == job
    assert JobPlan.model_validate_json(job.to_bytes()).to_bytes() == job.to_bytes()


def test_an_index_that_the_job_does_not_have_is_an_error() -> None:
    plan = plan_of({"cola": 1})
    job = job_plan(plan, frozenset({plan.runs[0].run_id}), runs_per_pod=1, limits=LIMITS)
    with pytest.raises(IndexError):
        job.runs_at(1)


def test_an_experiment_of_the_greatest_size_fits_a_config_map() -> None:
    names = [f"a-custom-task-of-the-longest-name-{number:06}" for number in range(64)]
    assert {len(name) for name in names} == {40}
    template = plan_of({"spam": 1}).tasks["spam"]
    tasks = {
        name: template.model_copy(update={"definition": template.definition.model_copy(update={"name": name})})
        for name in names
    }
    runs = tuple(
        plan_of({"spam": 1}).runs[0].model_copy(update={"task": names[number % 64], "run_id": f"{number:016x}"})
        for number in range(1000)
    )
    plan = plan_of({"spam": 1}).model_copy(update={"tasks": tasks, "runs": runs})
    job = job_plan(plan, frozenset(run.run_id for run in runs), runs_per_pod=1, limits=LIMITS)
    assert len(job.to_bytes()) < 1024 * 1024


def test_what_inputs_were_pinned_for_is_part_of_no_digest() -> None:
    plan = plan_of({"cola": 1})
    later = plan.model_copy(update={"resolved_for": "another"})
    assert later.digest == plan.digest
    assert later.to_bytes() != plan.to_bytes()


@pytest.mark.parametrize(
    ("spec", "replans", "reworks"),
    [
        ({"leaderboard": {}}, True, False),
        ({"retention": {"models": "All"}}, True, True),
        ({"predict": False}, True, True),
        ({"execution": {"parallelism": 5, "image": "other"}}, False, False),
    ],
)
def test_what_changes_the_plan_and_what_the_pods_do(spec: dict[str, Any], replans: bool, reworks: bool) -> None:
    before, after = plan_of({"cola": 1}), plan_of({"cola": 1}, **spec)
    assert (after.digest != before.digest) is replans
    assert (after.work_digest != before.work_digest) is reworks


def test_where_the_data_lies_changes_what_the_pods_do_and_not_the_runs() -> None:
    before, after = plan_of({"cola": 1}), plan_of({"cola": 1}, data_uri="s3://moved/glue")
    assert after.runs == before.runs
    assert after.work_digest != before.work_digest


def test_longer_wider_and_larger_runs_cost_more() -> None:
    base = expected_cost(plan_of({"cola": 1}).tasks["cola"])
    for training in ({"max_steps": 2000}, {"max_seq_length": 256}, {"train_batch_size": 64}):
        assert expected_cost(plan_of({"cola": 1}, training={"cola": training}).tasks["cola"]) > base


@pytest.mark.parametrize(
    ("task", "training", "rows"),
    [
        # CoLA's 8,551 rows are 268 steps of 32; scored every 75 steps on 1,043 rows, predicted on 1,063.
        pytest.param("cola", {"num_train_epochs": 2}, 536 * 32 + (8 * 1043 + 1063) / 3, id="epochs"),
        pytest.param("cola", {"max_steps": 150}, 150 * 32 + (2 * 1043 + 1063) / 3, id="steps"),
        pytest.param(
            "cola", {"max_steps": 150, "eval_steps": 10}, 4800 + (15 * 1043 + 1063) / 3, id="many evaluations"
        ),
        pytest.param("spam", {"num_train_epochs": 2}, 2000 * 32, id="rows that nobody knows"),
    ],
)
def test_a_run_costs_what_it_trains_on_and_a_third_of_what_it_scores_and_predicts(
    task: str, training: dict[str, Any], rows: float
) -> None:
    assert expected_cost(plan_of({task: 1}, training={task: training}).tasks[task]) == pytest.approx(rows * 128)


def pinned_for(uid: str = "uid", **fields: Any) -> str:
    spec = {"model": {"uri": MODEL.uri}, "tasks": [{"name": "cola"}], **fields}
    return pin_key(ExperimentSpec.model_validate(spec), uid)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": {"uri": "s3://models/other"}},
        {"data": {"uri": "s3://data/other"}},
        {"runs": 3},
        {"execution": {"retryToken": "again"}},
        {"training": {"maxSteps": 10}},
        {"execution": {"resources": {"limits": {"nvidia.com/gpu": 1}}}},
    ],
)
def test_inputs_are_looked_at_anew_when_what_the_plan_depends_on_changed(fields: dict[str, Any]) -> None:
    assert pinned_for(**fields) != pinned_for()


@pytest.mark.parametrize(
    "fields", [{"execution": {"parallelism": 9}}, {"execution": {"suspend": True}}, {"execution": {"image": "x"}}]
)
def test_inputs_stay_pinned_while_only_the_execution_changes(fields: dict[str, Any]) -> None:
    assert pinned_for(**fields) == pinned_for()


def test_an_object_that_was_deleted_and_applied_again_looks_at_its_inputs_anew() -> None:
    assert pinned_for("other") != pinned_for()
