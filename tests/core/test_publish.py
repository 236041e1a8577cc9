"""spec.publish in the core: which models go where, what is done about it, and what the status says."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from finetune_core.api import Execution, ExperimentSpec, Publication
from finetune_core.api.status import MAX_PUBLISHED, ConditionType, ExperimentStatus, Reason
from finetune_core.deciding.actions import CreatePublishJob, CreateReportJob, CreateTrainJob, DeleteJob, EndPod
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.experiment.decision import Decision, decide
from finetune_core.deciding.experiment.status import build_status
from finetune_core.deciding.finish import with_finished
from finetune_core.deciding.job_sequence import MAX_ROUNDS
from finetune_core.deciding.observation import JobRole, JobView, Observation, PodView, ReportView, Stall
from finetune_core.deciding.outcome import Outcome
from finetune_core.deciding.report_digest import report_digest
from finetune_core.planning.parse import check_spec, parse_spec
from finetune_core.publishing.orders import OrderedModel, Publications, Pushed, wanted
from finetune_core.publishing.told import with_published
from support.plans import outcome, plan

PLAN = plan({"cola": 2, "rte": 2})
HUB = Publication(name="hub", to="hf://team/bert-{task}")
REGISTRY = Publication(name="registry", to="oci://registry.test/models/{task}:{run}", tasks=("rte",))


def outcomes(**changes: float) -> dict[str, Outcome]:
    """All runs have ended; run 1 of a task is the best, unless `changes` (task_run -> value) say otherwise."""
    values = {f"{run.task}_{run.run}": 0.5 + run.run / 10 for run in PLAN.runs} | changes
    return {run.run_id: outcome(run, value=values[f"{run.task}_{run.run}"]) for run in PLAN.runs}


def seen(*entries: Publication, of: dict[str, Outcome] | None = None, **changes: Any) -> Observation:
    """All runs have ended and are reported."""
    done = outcomes() if of is None else of
    report = ReportView(report_digest(PLAN, done.values(), ()))
    observation = Observation(
        plan=PLAN,
        execution=Execution(),
        executor=JOB,
        template="t",
        outcomes=done,
        report=report,
        publish=entries,
    )
    return replace(observation, **changes)


def pushed(model: OrderedModel) -> Pushed:
    return Pushed(
        task=model.task, run=model.run, run_id=model.run_id, digest=model.digest, uri=f"{model.to}@1", time="now"
    )


def recorded(observation: Observation, *names: str) -> Observation:
    """What is wanted of these entries lies there."""
    records = dict(observation.published)
    for one in wanted(observation.publish, observation.plan, observation.outcomes):
        if one.entry.name in names:
            records[one.entry.name] = Publications(pushed={model.to: pushed(model) for model in one.models})
    return replace(observation, published=records)


def job_of(create: CreatePublishJob, **changes: object) -> JobView:
    made = JobView(create.name, JobRole.PUBLISH, create.revision, create.round, uid=create.name)
    return replace(made, **changes)


def creates(decision: Decision) -> dict[str, CreatePublishJob]:
    return {action.entry.name: action for action in decision.actions if isinstance(action, CreatePublishJob)}


def status_of(observation: Observation, decision: Decision) -> ExperimentStatus:
    asked: dict[str, Any] = {"uri": "s3://b/team/exp", "eta": None, "warnings": (), "generation": 1, "now": "now"}
    before = ExperimentStatus()
    status = build_status(observation, decision, before, **asked)
    status = with_published(status, before, observation, decision, generation=1, now="now")
    return with_finished(status, before, generation=1, now="now")


def condition(status: ExperimentStatus, kind: ConditionType) -> tuple[str, str, str]:
    found = next(one for one in status.conditions if one.type == kind)
    return found.status, found.reason, found.message


# what goes where


def test_the_best_run_of_each_task_goes_to_the_place_of_its_name() -> None:
    (one,) = wanted((HUB,), PLAN, outcomes())
    assert [(model.task, model.run, model.to) for model in one.models] == [
        ("cola", 1, "hf://team/bert-cola"), ("rte", 1, "hf://team/bert-rte")]  # fmt: skip
    (other,) = wanted((REGISTRY,), PLAN, outcomes())
    (model,) = other.models
    assert model.to == f"oci://registry.test/models/rte:{model.run_id}"


def test_named_runs_go_in_place_of_the_best_ones() -> None:
    (one,) = wanted((HUB.model_copy(update={"runs": ("rte/0",)}),), PLAN, outcomes())
    assert [(model.task, model.run) for model in one.models] == [("rte", 0)]


def digests(of: dict[str, Outcome], **changes: object) -> list[str]:
    (one,) = wanted((HUB.model_copy(update={"tasks": ("rte",), **changes}),), PLAN, of)
    return [model.digest for model in one.models]


def test_what_changes_a_models_folder_has_it_published_again_and_nothing_else_does() -> None:
    before = digests(outcomes())
    assert digests(outcomes(rte_0=0.9)) != before, "another best run"
    assert digests(outcomes(rte_0=0.1)) != before, "another mean in its card"
    assert digests(outcomes(), license="mit") != before
    assert digests(outcomes(), predictions=True) != before
    assert digests(outcomes(cola_0=0.9)) == before
    assert digests(dict(reversed(outcomes().items()))) == before
    assert digests(outcomes(), replace=True, public=True) == before


def test_tasks_without_a_best_run_are_told_where_they_are_named() -> None:
    only_rte = {key: one for key, one in outcomes().items() if one.task == "rte"}
    assert wanted((HUB,), PLAN, only_rte)[0].lacking == ()
    assert wanted((HUB.model_copy(update={"tasks": ("cola", "rte")}),), PLAN, only_rte)[0].lacking == ("cola",)
    assert wanted((HUB,), PLAN, {})[0].lacking == ("cola", "rte")


# what is done


def test_nothing_is_published_before_the_report() -> None:
    decision = decide(seen(HUB, report=None))
    assert [type(action) for action in decision.actions] == [CreateReportJob]
    assert status_of(seen(HUB, report=None), decision).published is None
    assert condition(status_of(seen(HUB, report=None), decision), ConditionType.PUBLISHED)[:2] == (
        "Unknown", "WaitingForReport")  # fmt: skip


def test_each_entry_gets_a_job_and_the_end_waits_for_all_of_them() -> None:
    begun = seen(HUB, REGISTRY)
    decision = decide(begun)
    made = creates(decision)
    assert set(made) == {"hub", "registry"}
    assert not decision.done
    assert decision.reason == Reason.PUBLISHING
    at_work = replace(begun, jobs=tuple(job_of(one, active=1, ready=1) for one in made.values()))
    assert decide(at_work).actions == ()
    status = status_of(at_work, decide(at_work))
    assert condition(status, ConditionType.PUBLISHED)[:2] == ("Unknown", "Publishing")
    assert condition(status, ConditionType.SUCCEEDED)[0] == "Unknown"
    assert condition(status, ConditionType.FINISHED)[0] == "False"
    assert status.results is not None, "what is there is there"


def test_all_has_ended_once_all_lies_there_and_its_pods_have_ended() -> None:
    begun = seen(HUB, REGISTRY)
    jobs = tuple(job_of(one) for one in creates(decide(begun)).values())
    there = recorded(replace(begun, jobs=jobs), "hub", "registry")
    assert not decide(there).done
    ended = replace(there, jobs=tuple(replace(job, complete=True) for job in jobs))
    decision = decide(ended)
    assert (decision.done, decision.reason, decision.actions) == (True, Reason.ALL_RUNS_SUCCEEDED, ())
    status = status_of(ended, decision)
    assert condition(status, ConditionType.PUBLISHED) == ("True", "Published", "Models published: 3 of 3.")
    assert condition(status, ConditionType.FINISHED)[0] == "True"
    assert [(one.name, one.task, one.uri) for one in status.published or ()] == [
        ("hub", "cola", "hf://team/bert-cola@1"),
        ("hub", "rte", "hf://team/bert-rte@1"),
        ("registry", "rte", f"oci://registry.test/models/rte:{PLAN.runs_of('rte')[1].run_id}@1"),
    ]


def test_what_lies_there_is_not_published_again_and_a_better_run_is() -> None:
    there = recorded(seen(HUB), "hub")
    assert decide(there).done
    better = replace(seen(HUB, of=outcomes(rte_0=0.9)), published=there.published)
    (create,) = creates(decide(better)).values()
    assert {model.task: model.run for model in create.models} == {"cola": 1, "rte": 0}
    told = status_of(better, decide(better)).published or ()
    assert [(one.task, one.run) for one in told] == [("cola", 1), ("rte", 1)], "what lies there until then"


def failed(entry: Publication, message: str, **job: object) -> Observation:
    begun = seen(entry)
    (create,) = creates(decide(begun)).values()
    view = job_of(create, **{"failed_for": "PodFailurePolicy", **job})
    pod = PodView("pod", create.name, JobRole.PUBLISH, None, ended=True, failure_message=message)
    return replace(begun, jobs=(view,), pods=(replace(pod, failure_reason="UserError"),))


def test_a_place_that_refuses_costs_the_results_nothing() -> None:
    refused = failed(HUB, "rte/1: the hub refuses it: 403. Check HF_TOKEN")
    decision = decide(refused)
    assert (decision.done, decision.reason) == (True, Reason.ALL_RUNS_SUCCEEDED)
    status = status_of(refused, decision)
    assert condition(status, ConditionType.SUCCEEDED)[0] == "True"
    assert condition(status, ConditionType.FINISHED)[0] == "True"
    outcome_, reason, message = condition(status, ConditionType.PUBLISHED)
    assert (outcome_, reason) == ("False", "PublishFailed")
    assert "403" in message
    assert "retryToken" in message
    assert "Models published: 0 of 2" in message


@pytest.mark.parametrize(
    "changed", [{"retry_token": "again"}, {"template": "another image"}, {"entry": {"replace": True}}], ids=str
)
def test_a_failed_one_is_tried_again_when_its_spec_changes(changed: dict[str, Any]) -> None:
    before = failed(HUB, "403")
    entry = HUB.model_copy(update=changed.get("entry", {}))
    execution = Execution(retry_token=changed.get("retry_token"))
    template = changed.get("template", before.template)
    after = replace(before, publish=(entry,), execution=execution, template=template)
    decision = decide(after)
    assert list(creates(decision)) == ["hub"]
    assert not decision.done


def test_a_failure_of_an_earlier_token_does_not_count_when_the_token_comes_back() -> None:
    before = failed(HUB, "403")
    other = replace(before, execution=Execution(retry_token="b"))
    assert DeleteJob.of(before.jobs[0]) in decide(other).actions


def test_the_last_words_of_a_pod_are_told_while_its_place_is_tried_again() -> None:
    waiting = failed(HUB, "the hub cannot be reached", failed_for=None)
    decision = decide(waiting)
    assert (decision.reason, decision.done, decision.actions) == (Reason.PUBLISHING, False, ())
    assert "the hub cannot be reached It is tried again" in decision.message.replace("reached.", "reached")


def test_one_whose_results_had_changed_is_ordered_again_a_few_times() -> None:
    before = failed(HUB, "the report is another")
    pods = (replace(before.pods[0], failure_reason="ResultsChanged"),)
    for number in range(MAX_ROUNDS):
        (job,) = before.jobs
        before = replace(before, jobs=(replace(job, round=number),), pods=pods)
        decision = decide(before)
        (again,) = creates(decision).values()
        assert again.round == number + 1
        assert DeleteJob.of(before.jobs[0]) in decision.actions
    assert decide(replace(before, jobs=(replace(before.jobs[0], round=MAX_ROUNDS),))).done


def test_one_that_ends_well_without_its_record_is_done_again() -> None:
    lost = failed(HUB, "", failed_for=None, complete=True)
    assert [one.round for one in creates(decide(replace(lost, pods=()))).values()] == [1]


def test_a_pod_that_cannot_start_is_told_and_comes_first() -> None:
    begun = seen(HUB, REGISTRY)
    made = creates(decide(begun))
    pod = PodView("pod", made["registry"].name, JobRole.PUBLISH, None, ended=False)
    stuck = replace(pod, blocked="CreateContainerConfigError", blocked_message='secret "login" not found')
    decision = decide(replace(begun, jobs=tuple(map(job_of, made.values())), pods=(stuck,)))
    assert decision.reason == Reason.BLOCKED
    assert 'registry: Pod pod cannot start: CreateContainerConfigError: secret "login" not found' in decision.message


def test_a_pod_that_gives_no_sign_of_life_is_told_and_ended() -> None:
    begun = seen(HUB)
    (create,) = creates(decide(begun)).values()
    pod = PodView("pod", create.name, JobRole.PUBLISH, None, ended=False, uid="u", running=True)
    job = job_of(create, active=1, ready=1)
    stalled = replace(begun, jobs=(job,), pods=(pod,), stalled_report=Stall("u", 400.0, pod))
    assert (decide(stalled).reason, decide(stalled).actions) == (Reason.STALLED, ())
    over = replace(stalled, stalled_report=Stall("u", 3700.0, pod))
    assert decide(over).actions == (EndPod("pod", "u"),)


def test_suspend_holds_it_back_and_stops_what_publishes() -> None:
    suspended = Execution(suspend=True)
    begun = seen(HUB)
    (create,) = creates(decide(begun)).values()
    held = decide(replace(begun, execution=suspended))
    assert (held.reason, held.actions, held.done) == (Reason.SUSPENDED, (), False)
    job = job_of(create, active=1, ready=1)
    stopped = decide(replace(begun, execution=suspended, jobs=(job,)))
    assert (stopped.reason, stopped.actions) == (Reason.SUSPENDED, (DeleteJob.of(job),))
    assert decide(replace(recorded(begun, "hub"), execution=suspended)).done, "nothing is left to hold back"
    assert decide(replace(failed(HUB, "403"), execution=suspended)).done, "what has failed has failed"


def test_more_runs_end_what_publishes_before_they_begin() -> None:
    begun = seen(HUB)
    (create,) = creates(decide(begun)).values()
    job = job_of(create, active=1, ready=1)
    more = replace(begun, jobs=(job,), outcomes=dict(list(begun.outcomes.items())[:3]))
    actions = decide(more).actions
    assert isinstance(actions[-1], CreateTrainJob)
    assert DeleteJob.of(job) in actions[:-1]


def test_a_new_report_ends_what_publishes_of_the_old_one() -> None:
    begun = seen(HUB)
    (create,) = creates(decide(begun)).values()
    job = job_of(create, active=1, ready=1)
    actions = decide(replace(begun, jobs=(job,), report=ReportView("another"))).actions
    assert DeleteJob.of(job) in actions
    assert any(isinstance(action, CreateReportJob) for action in actions)


def test_the_next_one_waits_until_the_pod_of_the_one_before_has_ended() -> None:
    old = JobView("old", JobRole.PUBLISH, "of an earlier spec", uid="old", active=1)
    pod = PodView("pod", "old", JobRole.PUBLISH, None, ended=False)
    both = decide(seen(HUB, jobs=(old,), pods=(pod,)))
    assert both.actions == (DeleteJob.of(old),)
    assert decide(seen(HUB, pods=(pod,))).actions == ()
    assert list(creates(decide(seen(HUB, pods=(replace(pod, ended=True),))))) == ["hub"]


def test_without_publish_what_publishes_is_ended_and_then_all_has_ended() -> None:
    old = JobView("old", JobRole.PUBLISH, "of an earlier spec", uid="old", active=1)
    decision = decide(seen(jobs=(old,)))
    assert (decision.actions, decision.done) == ((DeleteJob.of(old),), False)
    assert decide(seen()).done
    assert [one.type for one in status_of(seen(), decide(seen())).conditions] == [
        "Valid", "Succeeded", "LeaderboardReady", "Finished"]  # fmt: skip


def test_a_named_task_without_a_best_run_is_told_and_the_other_one_is_published() -> None:
    entry = HUB.model_copy(update={"tasks": ("cola", "rte")})
    diverged = {key: replace(one, value=None) if one.task == "cola" else one for key, one in outcomes().items()}
    begun = seen(entry, of=diverged)
    (create,) = creates(decide(begun)).values()
    assert [model.task for model in create.models] == ["rte"]
    there = recorded(begun, "hub")
    decision = decide(there)
    assert (decision.done, decision.reason) == (True, Reason.TASK_FAILED)
    assert "hub: no best run: cola" in condition(status_of(there, decision), ConditionType.PUBLISHED)[2]


def test_a_status_lists_so_many_models_and_counts_the_rest() -> None:
    most = plan({f"task-{number}": 1 for number in range(MAX_PUBLISHED // 2)})
    done = {run.run_id: outcome(run, value=0.5) for run in most.runs}
    entries = tuple(Publication(name=f"hub{k}", to=f"hf://team{k}/{{task}}") for k in range(3))
    report = ReportView(report_digest(most, done.values(), ()))
    observation = recorded(seen(*entries, of=done, plan=most, report=report), "hub0", "hub1", "hub2")
    status = status_of(observation, decide(observation))
    assert len(status.published or ()) == MAX_PUBLISHED
    assert status.published_omitted == MAX_PUBLISHED // 2


def test_a_record_that_somebody_else_wrote_fills_no_status() -> None:
    run = {"task": "rte", "run": 0, "runId": "a", "digest": "0" * 16, "time": "now"}
    for wrong in ({"uri": "x" * 1025}, {"uri": "a\nb"}, {"uri": "x", "time": "t" * 41}, {"uri": "x", "task": "../x"}):
        with pytest.raises(ValidationError):
            Publications.model_validate({"pushed": {"hf://a/b": run | wrong}})
    assert Publications.model_validate({"pushed": {"hf://a/b": run | {"uri": "hf://a/b@1"}}})


# what a spec may say


def spec_with(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    tasks = [{"name": "rte", "runs": 3}, {"name": "cola", "runs": 1}]
    return {"model": {"uri": "hf://a/b"}, "tasks": tasks, "publish": list(entries), **more}


def problems(*entries: dict[str, Any], **more: Any) -> list[str]:
    spec: ExperimentSpec = parse_spec(spec_with(*entries, **more))
    return [str(problem) for problem in check_spec(spec)]


TOKEN = {"secretRef": {"name": "hub"}}
REFUSED: tuple[tuple[str, Iterable[dict[str, Any]], dict[str, Any], str], ...] = (
    ("no token", [{"to": "hf://a/{task}"}], {}, "needs HF_TOKEN"),
    ("no address", [{"to": "models:/{task}"}], {}, "needs MLFLOW_TRACKING_URI"),
    ("one place for two", [{"to": "hf://a/b", **TOKEN}], {}, "put {task} or {run} into the name"),
    (
        "one place for two runs",
        [{"to": "oci://r.test/{task}", "runs": ["rte/0", "rte/1"]}],
        {"retention": {"models": "All"}},
        "put {run} into the name",
    ),
    ("an unknown task", [{"to": "oci://r.test/x", "tasks": ["sst2"]}], {}, "sst2 is none of the tasks"),
    (
        "an unknown run",
        [{"to": "oci://r.test/x", "runs": ["rte/3"]}],
        {"retention": {"models": "All"}},
        "rte has the runs 0 to 2",
    ),
    ("runs whose weights go", [{"to": "oci://r.test/x", "runs": ["rte/0"]}], {}, "retention.models: All"),
    ("no weights", [{"to": "oci://r.test/{task}"}], {"retention": {"models": "None"}}, "keeps no weights"),
    ("both", [{"to": "oci://r.test/{run}", "tasks": ["rte"], "runs": ["rte/0"]}], {}, "remove one of the two"),
    ("public", [{"to": "oci://r.test/{task}", "public": True}], {}, "public is of a repository of the hub"),
    ("plain http", [{"to": "s3://bucket/{task}", "plainHttp": True}], {}, "are of a registry"),
    ("keys of a bucket", [{"to": "s3://bucket/{task}", **TOKEN}], {}, "remove secretRef"),
    ("upwards", [{"to": "s3://bucket/../{task}"}], {}, "is no folder of a bucket"),
    (
        "twice",
        [{"to": "oci://r.test/{task}"}, {"to": "oci://r.test/{task}", "name": "other"}],
        {},
        "the place of more than one entry",
    ),
    ("one name", [{"to": "oci://r.test/{task}"}, {"to": "oci://s.test/{task}"}], {}, "is listed more than once"),
)


@pytest.mark.parametrize(("entries", "more", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_done_is_refused(entries: list[dict[str, Any]], more: dict[str, Any], said: str) -> None:
    found = problems(*({"name": "place", **entry} for entry in entries), **more)
    assert any(said in text for text in found), found
    assert all(text.startswith("spec.publish") for text in found)


@pytest.mark.parametrize(
    "entry",
    [
        {"to": "hf://team/bert-{task}@v1", **TOKEN, "public": True},
        {"to": "oci://registry.test:5000/models/{task}:{run}", "plainHttp": True},
        {"to": "models:/bert-{task}", "secretRef": {"name": "mlflow"}},
        {"to": "s3://bucket/published/{task}"},
        {"to": "hf://team/bert", "tasks": ["rte"], **TOKEN},
    ],
    ids=lambda entry: str(entry["to"]),
)
def test_what_can_be_done_is_accepted(entry: dict[str, Any]) -> None:
    assert problems({"name": "place", **entry}) == []


def test_a_token_may_come_from_the_pod_template() -> None:
    template = {"podTemplate": {"env": [{"name": "HF_TOKEN", "value": "x"}]}}
    assert problems({"name": "hub", "to": "hf://a/{task}"}, execution=template) == []
