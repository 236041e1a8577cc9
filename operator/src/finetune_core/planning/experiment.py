"""From a spec and its pinned inputs to the plan of an experiment."""

from collections.abc import Iterator

from finetune_core.api import ExperimentSpec
from finetune_core.planning.inputs import ResolvedInputs
from finetune_core.planning.parse import check_spec, define, runs_of, settings_of, task_specs, warnings
from finetune_core.planning.plan import Plan, TaskPlan, make_plan
from finetune_core.planning.tuned import TunedTasks
from finetune_core.problems import Problem
from finetune_core.seeds.growth import kept_runs, with_runs


def check_tuned(spec: ExperimentSpec, tuned: TunedTasks | None, inputs: ResolvedInputs) -> tuple[Problem, ...]:
    """What keeps tuned hyperparameters from being used: values that do not fit, a search of another model."""
    if tuned is None:
        return ()
    problems = check_spec(spec, tuned=tuned.layers)
    reference = tuned.source.hp_search_ref
    if reference and not reference.allow_other_model and tuned.model_digest != inputs.model.digest:
        message = (
            f"HPSearch {reference.name} was over {tuned.model_uri} ({tuned.model_digest}), the experiment is over "
            f"{inputs.model.uri} ({inputs.model.digest}): search with this model, or set allowOtherModel: true"
        )
        problems = (*problems, Problem("spec.hyperparametersFrom.hpSearchRef", message))
    return problems


def plan_experiment(
    spec: ExperimentSpec,
    inputs: ResolvedInputs,
    *,
    namespace: str,
    name: str,
    resolved_for: str = "",
    tuned: TunedTasks | None = None,
    before: Plan | None = None,
) -> Plan:
    """The plan of a spec whose inputs are pinned, with tuned values where there are some.

    Where seeds are added until they are enough, those of the plan `before` are kept (see `kept_runs`).
    """
    tasks = task_specs(spec)
    values = tuned.tasks if tuned else {}
    plans = {
        task.name: TaskPlan(
            definition=define(task),
            settings=settings_of(spec, task, values[task.name].training if task.name in values else None),
            data=inputs.data[task.name],
            hyperparameters_source=str(values[task.name]) if task.name in values else None,
            until=spec.until_of(task),
        )
        for task in tasks
    }
    made = make_plan(
        spec,
        namespace=namespace,
        name=name,
        model=inputs.model,
        tasks=plans,
        runs={task.name: runs_of(spec, task) for task in tasks},
        resolved_for=resolved_for,
        tuned=tuned,
    )
    return made if before is None else with_runs(made, spec, kept_runs(made, spec, before))


def plan_warnings(spec: ExperimentSpec, plan: Plan) -> tuple[str, ...]:
    """What is allowed but probably not meant, by the spec and by what its plan made of it."""
    return (
        *_uncovered(plan),
        *warnings(spec, plan.tuned.layers if plan.tuned else None),
        *_without_run(spec, plan),
    )


def _uncovered(plan: Plan) -> Iterator[str]:
    if plan.tuned is None:
        return
    for task in plan.task_names:
        if task not in plan.tuned.tasks:
            yield f"{task}: not covered by {plan.tuned.where}; the spec's own values are used"


def _without_run(spec: ExperimentSpec, plan: Plan) -> Iterator[str]:
    known = {run.run_id for run in plan.quarantined}
    for one in spec.quarantine or ():
        if one.run_id not in known:
            yield (
                f"spec.quarantine: {one.run_id} is no run of this plan (other settings, data or model give runs other "
                "ids), so nothing is left out for it: correct or remove it"
            )
