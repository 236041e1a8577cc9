"""`quarantine`: results that do not count."""

from collections.abc import Iterator
from typing import Annotated

import typer

from finetune_cli.commands.common import Context, ExperimentName, Namespace, StoreUri
from finetune_cli.commands.objects.changing import patch_spec
from finetune_cli.output import note
from finetune_client.errors import ClientError, UsageError
from finetune_client.finding import cluster, find
from finetune_client.reports import plan_of, planned_run
from finetune_client.stores import results_of
from finetune_core.api import ModelRetention
from finetune_core.json_types import Json
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.best_run import best_run
from finetune_kube.kinds import EXPERIMENT
from finetune_report.gather import gather
from finetune_store import Store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(quarantine)


def quarantine(
    name: ExperimentName,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, or TASK/RUN as in rte/0.")],
    reason: Annotated[str | None, typer.Option(help="Why its result does not count; shown in the results.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Count the run again, by its run id.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
) -> int:
    """Take a run known to be wrong out of best and tables; it is kept, and done once more with the same seed."""
    if undo == (reason is not None):
        raise UsageError("give --reason to quarantine a run, or --undo to count it again", "See --help.")
    kube = cluster(context, namespace)
    kind, item = find(kube, name, (EXPERIMENT,))
    before: list[Json] = item["spec"].get("quarantine") or []
    if undo:
        patch_spec(kube, kind, item, {"quarantine": without(before, run)}, f"counts {run} again")
        return 0
    place = results_of(name, store=store, context=context, namespace=namespace, kinds=(EXPERIMENT,))
    plan = plan_of(place)
    planned = planned_run(plan, run)
    for word in lost_weights(place.store, plan, planned):
        note(word)
    entry = {"runId": planned.run_id, "reason": reason}
    said = f"does without {planned.task} run {planned.run} ({planned.run_id})"
    patch_spec(kube, kind, item, {"quarantine": [*before, entry]}, said)
    note(f"It is kept, and done once more. `finetune quarantine {name} {planned.run_id} --undo` counts it again.")
    return 0


def lost_weights(store: Store, plan: Plan, run: PlannedRun) -> Iterator[str]:
    """A word where the run that would be the task's best without this one has no weights any more."""
    findings = gather(store, plan, ())
    heir = best_run(
        result for result in findings.results.values() if result.task == run.task and result.run_id != run.run_id
    )
    if heir is not None and plan.retention != ModelRetention.NONE and heir.run_id not in findings.models(plan):
        yield (
            f"Without it run {heir.run} ({heir.run_id}) is the best of {run.task} until it is done again, and the "
            "weights of that one are gone: best/ names no model meanwhile."
        )


def without(entries: list[Json], run: str) -> list[Json]:
    """The entries but that of a run id; ClientError where it is not among them."""
    if all(one["runId"] != run for one in entries):
        ids = ", ".join(one["runId"] for one in entries) or "none"
        raise ClientError(f"run {run} is not quarantined", f"Quarantined run ids: {ids}.")
    return [one for one in entries if one["runId"] != run]
