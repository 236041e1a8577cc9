"""Status from what was observed and decided: conditions, counts, tasks, failures, all bounded."""

from dataclasses import replace
from typing import Any

from finetune_core.api import Execution
from finetune_core.api.status import Condition, ExperimentStatus, Reason
from finetune_core.deciding.conditions import invalid_status, shorten, waiting_status
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment.decision import Decision
from finetune_core.deciding.experiment.status import build_status
from finetune_core.deciding.observation import FailureCause, JobRole, JobView, Observation, ReportView
from finetune_core.planning.plan import Plan
from finetune_core.problems import Problem
from support.plans import outcome, plan

PLAN = plan({"rte": 2, "wnli": 1})
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"
URI = "s3://bucket/out/ns/exp"


def job(**fields: Any) -> JobView:
    return JobView(name="exp-1234", role=JobRole.TRAIN, revision="r", created=EARLY, parallelism=2, **fields)


def status(
    decision: Decision,
    *,
    of: Plan = PLAN,
    values: dict[str, float | None] | None = None,
    report: ReportView | None = None,
    previous: ExperimentStatus | None = None,
    now: str = LATE,
) -> ExperimentStatus:
    """`values` maps "rte 0" to the value of that run."""
    runs = {f"{run.task} {run.run}": run for run in of.runs}
    outcomes = {runs[key].run_id: outcome(runs[key], value=value) for key, value in (values or {}).items()}
    seen = Observation(plan=of, execution=Execution(), executor=JOB, template="t", outcomes=outcomes, report=report)
    return build_status(
        seen, decision, previous or ExperimentStatus(), uri=URI, eta="~2m", warnings=(), generation=3, now=now
    )


def of_type(found: ExperimentStatus, type_: str) -> Condition:
    return next(condition for condition in found.conditions if condition.type == type_)


def done(reason: Reason = Reason.ALL_RUNS_SUCCEEDED, **fields: Any) -> Decision:
    return Decision(reason, "message", done=True, **fields)


ALL_DONE = {"rte 0": 0.6, "rte 1": 0.7, "wnli 0": 0.5}


def test_all_conditions_are_there_from_the_first_look() -> None:
    found = status(Decision(Reason.PENDING, "Starting."))
    assert [condition.type for condition in found.conditions] == ["Valid", "Succeeded", "LeaderboardReady"]
    assert {condition.observed_generation for condition in found.conditions} == {3}
    assert (of_type(found, "Valid").status, of_type(found, "Succeeded").status) == ("True", "Unknown")


def test_a_transition_time_moves_only_with_the_status() -> None:
    first = status(Decision(Reason.PENDING, "Starting."), now=EARLY)
    second = status(Decision(Reason.RUNNING, "Running."), previous=first)
    assert of_type(second, "Succeeded").last_transition_time == EARLY
    assert of_type(second, "Succeeded").reason == "Running"
    third = status(done(), values=ALL_DONE, previous=second)
    assert of_type(third, "Succeeded").last_transition_time == LATE


def test_runs_are_counted_by_what_they_do() -> None:
    failed = {PLAN.runs_of("wnli")[0].run_id: FailureCause("UserError", "bad")}
    found = status(Decision(Reason.RUNNING, "m", failed=failed, current=job(active=2)), values={"rte 0": 0.6})
    assert found.runs is not None
    assert found.runs.model_dump(exclude_none=True) == {
        "total": 3,
        "pending": 0,
        "running": 1,
        "succeeded": 1,
        "failed": 1,
        "summary": "2/3",
    }


def test_runs_that_others_have_trained_are_counted_and_named() -> None:
    runs = PLAN.runs_of("rte")
    taken = {run.run_id: replace(outcome(run, value=0.6 + run.run / 10), taken_from="base") for run in runs}
    seen = Observation(plan=PLAN, execution=Execution(), executor=JOB, template="t", outcomes=taken)
    found = build_status(
        seen, done(), ExperimentStatus(), uri=URI, eta=None, warnings=(), generation=3, now=LATE
    ).to_patch()
    assert (found["runs"]["taken"], found["runs"]["summary"]) == (2, "2/3")
    assert found["tasks"][0]["best"]["takenFrom"] == "base"


def test_the_outcome_is_true_where_every_task_has_a_best_run() -> None:
    for reason, expected in (
        (Reason.ALL_RUNS_SUCCEEDED, "True"),
        (Reason.SOME_RUNS_FAILED, "True"),
        (Reason.TASK_FAILED, "False"),
        (Reason.REPORT_FAILED, "False"),
    ):
        assert of_type(status(done(reason)), "Succeeded").status == expected


def test_a_task_shows_its_best_run_mean_and_spread() -> None:
    found = status(done(), values=ALL_DONE)
    rte = found.tasks[0]
    assert (rte.name, rte.runs, rte.best.run if rte.best else None) == ("rte", "2/2", 1)
    assert (rte.mean, rte.std) == (0.65, 0.070711)
    assert rte.best is not None
    assert rte.best.uri == f"{URI}/runs/rte/{rte.best.run_id}"


def test_a_value_that_is_not_finite_is_no_best_run() -> None:
    found = status(done(), values={"wnli 0": None})
    assert found.tasks[1].best is None
    assert found.tasks[1].runs == "1/1"


def test_result_uris_are_told_only_when_the_report_is_current() -> None:
    report = ReportView("digest")
    assert status(Decision(Reason.REPORTING, "m"), values=ALL_DONE, report=report).results is None
    assert status(done(Reason.REPORT_FAILED), values=ALL_DONE, report=report).results is None
    results = status(done(), values=ALL_DONE, report=report).results
    assert results is not None
    assert results.json_ == f"{URI}/results.json"


def test_a_failed_run_is_told_with_its_reason_and_a_bounded_message() -> None:
    bad = PLAN.runs_of("rte")[1]
    found = status(done(Reason.SOME_RUNS_FAILED, failed={bad.run_id: FailureCause("UserError", "x" * 5000)}))
    (told,) = found.failures
    assert (told.task, told.run, told.run_id, told.reason) == ("rte", 1, bad.run_id, "UserError")
    assert len(told.message) == 500


def test_many_failures_are_counted_not_listed() -> None:
    many = plan({"rte": 40})
    failed = {run.run_id: FailureCause("UserError", "bad") for run in many.runs}
    found = status(done(Reason.TASK_FAILED, failed=failed), of=many)
    assert (len(found.failures), found.failures_omitted) == (10, 30)


def test_times_of_start_and_completion() -> None:
    running = status(Decision(Reason.RUNNING, "m", current=job()))
    assert (running.start_time, running.completion_time, running.eta) == (EARLY, None, "~2m")
    ended = status(done(), previous=running)
    assert (ended.start_time, ended.completion_time, ended.eta) == (EARLY, LATE, None)
    again = status(Decision(Reason.RUNNING, "m", current=job()), previous=ended)
    assert again.completion_time is None


def test_a_leaderboard_that_is_not_asked_for_is_not_requested() -> None:
    assert of_type(status(done()), "LeaderboardReady").reason == "NotRequested"


def test_a_leaderboard_waits_is_complete_holds_placeholders_or_is_refused() -> None:
    asked = plan({"rte": 1}, leaderboard={})
    cases = (
        (None, "Unknown", "WaitingForRuns"),
        (ReportView("d", "sha"), "True", "Complete"),
        (ReportView("d", "sha", placeholders=("AX.tsv",)), "True", "WithPlaceholders"),
        (ReportView("d", None, missing=("CoLA.tsv",)), "False", "TasksMissing"),
    )
    for report, outcome_, reason in cases:
        found = status(done(), of=asked, values={"rte 0": 0.5}, report=report)
        condition = of_type(found, "LeaderboardReady")
        assert (condition.status, condition.reason) == (outcome_, reason)
    assert "CoLA.tsv" in condition.message
    assert found.leaderboard is not None
    assert found.leaderboard.uri is None


def test_the_status_names_the_files_of_the_zip_that_are_placeholders() -> None:
    report = ReportView("d", "sha", missing=("AX.tsv", "QQP.tsv"), placeholders=("AX.tsv", "QQP.tsv"))
    found = status(done(), of=plan({"rte": 1}, leaderboard={}), values={"rte 0": 0.5}, report=report)
    assert found.leaderboard is not None
    assert found.leaderboard.placeholders == ("AX.tsv", "QQP.tsv")
    assert found.leaderboard.uri == f"{URI}/submission.zip"
    assert of_type(found, "LeaderboardReady").message.endswith("placeholders: AX.tsv, QQP.tsv.")


def test_an_invalid_spec_lists_every_problem_and_keeps_what_was_there() -> None:
    before = status(done(), values=ALL_DONE, report=ReportView("d"))
    problems = (Problem("spec.a", "wrong"), Problem("spec.b", "wrong too"))
    found = invalid_status(before, problems, reason=Reason.INVALID_SPEC, generation=4, now=LATE)
    assert of_type(found, "Valid").message == "spec.a: wrong; spec.b: wrong too"
    assert [condition.status for condition in found.conditions] == ["False", "False", "Unknown"]
    assert (found.observed_generation, found.results, found.tasks) == (4, before.results, before.tasks)


def test_a_very_long_list_of_problems_fits_a_condition() -> None:
    problems = [Problem(f"spec.tasks[{number}]", "wrong" * 20) for number in range(64)]
    found = invalid_status(ExperimentStatus(), problems, reason=Reason.INVALID_SPEC, generation=1, now=LATE)
    assert len(of_type(found, "Valid").message) <= 1024


def test_while_something_is_waited_for_what_was_known_stays() -> None:
    before = status(Decision(Reason.RUNNING, "m"), values={"rte 0": 0.6})
    found = waiting_status(before, Reason.STORAGE_UNAVAILABLE, "no answer", valid=True, generation=3, now=LATE)
    assert (of_type(found, "Valid").status, of_type(found, "Succeeded").status) == ("True", "Unknown")
    assert of_type(found, "Succeeded").reason == "StorageUnavailable"
    assert (found.runs, found.tasks) == (before.runs, before.tasks)


def test_before_anything_could_be_checked_validity_is_unknown() -> None:
    found = waiting_status(
        ExperimentStatus(), Reason.STORAGE_UNAVAILABLE, "no answer", valid=False, generation=1, now=LATE
    )
    assert (of_type(found, "Valid").status, of_type(found, "Valid").reason) == ("Unknown", "Checking")


def test_a_status_is_written_in_the_apis_names_without_what_is_not_set() -> None:
    patch = status(Decision(Reason.PENDING, "m")).to_patch()
    assert patch["observedGeneration"] == 3
    assert "completionTime" not in patch
    assert ExperimentStatus.model_validate(patch).to_patch() == patch


def test_text_is_cut_with_an_ellipsis() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abc", 4) == "abc"
