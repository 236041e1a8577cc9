"""`gc`: weights that retention does not keep, and checkpoints that nothing goes on from."""

from typing import Annotated

import typer

from finetune_cli.commands.common import Context, ExperimentName, Namespace, StoreUri
from finetune_cli.output import Output, OutputOption, console, emit, note
from finetune_client.errors import NotFoundError
from finetune_client.exits import Exit
from finetune_client.reports import document_so_far, plan_of, whole_report
from finetune_client.stores import results_of
from finetune_kube.kinds import EXPERIMENT
from finetune_report.gather import gather
from finetune_report.retention import apply_retention, expendable


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(gc)


def gc(
    name: ExperimentName,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show weights that spec.retention does not keep, and checkpoints of runs that have a result; --yes deletes them.

    The report deletes them when all runs have ended: there is something to do here only where it was interrupted.
    """
    place = results_of(name, store=store, context=context, namespace=namespace, kinds=(EXPERIMENT,))
    plan, document = plan_of(place), whole_report(place)
    findings = gather(place.store, plan, [run.run_id for run in document.failed()])
    if document_so_far(place, plan, findings).report_digest != document.report_digest:
        # The best run by an older report may not be the best any more.
        raise NotFoundError(
            f"the report of {place.name} is older than its runs: which weights are the best is not settled",
            f"finetune watch {place.name} waits for the next report.",
        )
    keys = expendable(plan, document, findings)
    if output.for_people:
        for key in keys:
            console().print(place.store.uri(key), markup=False, soft_wrap=True)
    else:
        emit([place.store.uri(key) for key in keys], output)
    if yes:
        note(f"{apply_retention(place.store, plan, document, findings)} files deleted")
    else:
        note(f"{len(keys)} files would be deleted (retention {plan.retention.value})" + ("; --yes" if keys else ""))
    return Exit.OK
