"""Whether a run that another experiment has done can stand for one of a plan.

A run id covers model, data, task, settings, seed and recipe. What it leaves out and may still decide a number, the
image and the libraries in it, is compared here; so is what the id says, since others may write to a store.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.planning.settings import Settings
from finetune_core.results.run import RunResult


@dataclass(frozen=True)
class Maker:
    """What would do the run here: the trainer's image, None outside of a cluster, and the versions in it."""

    image: str | None
    versions: Mapping[str, str]


def is_pinned(plan: Plan, task: str) -> bool:
    """Whether run ids of a task stand for the content of its model and data."""
    return plan.model.pinned and plan.tasks[task].data.pinned


def objection(plan: Plan, run: PlannedRun, result: RunResult, maker: Maker, test_data: Mapping[str, str]) -> str | None:
    """Why a result of another experiment cannot be taken for a run of this plan; None where it can.

    `test_data` are the files of predictions that the plan asks for, with the digests of what they are of.
    """
    return next(_objections(plan, run, result, maker, test_data), None)


def _objections(
    plan: Plan, run: PlannedRun, result: RunResult, maker: Maker, test_data: Mapping[str, str]
) -> Iterator[str]:
    task = plan.tasks[run.task]
    if not run.wrote(result) or result.seed != run.seed:
        yield f"it is of run {result.run} of {result.task} ({result.run_id}, seed {result.seed})"
    if (result.model_digest, result.data_digest) != (plan.model.digest, task.data.digest):
        yield f"it is of other content: model {result.model_digest}, data {result.data_digest}"
    if result.recipe_version != plan.recipe_version:
        yield f"it is of recipe version {result.recipe_version}"
    if _identity(result) != task.settings.identity():
        yield "it says that it is of other settings"
    if result.image != maker.image:
        yield f"it was made by the image {result.image or '(none)'}, and this is {maker.image or '(none)'}"
    if others := sorted(name for name in {*result.versions, *maker.versions} if _differs(name, result, maker)):
        yield f"it was made with other versions of {', '.join(others)}"
    if lacking := sorted(name for name, digest in test_data.items() if _lacks(result, name, digest)):
        yield f"it has no {', '.join(lacking)} of these test sets"


def _identity(result: RunResult) -> object:
    try:
        return Settings.model_validate(result.settings).identity()
    except ValueError:
        return None


def _differs(name: str, result: RunResult, maker: Maker) -> bool:
    return result.versions.get(name) != maker.versions.get(name)


def _lacks(result: RunResult, name: str, digest: str) -> bool:
    return name not in result.predictions or result.test_data.get(name) != digest
