"""`compare`: whether one experiment is better than another by more than seeds explain."""

from typing import Annotated

import typer

from finetune_cli.commands.common import Context, Namespace, StoreUri, experiment_names
from finetune_cli.commands.results import Format, FormatOption
from finetune_cli.output import Output, console, emit, note, write
from finetune_cli.shown.comparison import WRITERS, comparison_page
from finetune_client.errors import ClientError
from finetune_client.exits import Exit
from finetune_client.result_sets import Where, both_documents
from finetune_core.results.comparison import compare as compared
from finetune_core.results.significance import TTest

_WHAT = "its name, or the URI or path of its folder (s3://bucket/prefix/team/first)."
Before = Annotated[
    str, typer.Argument(metavar="BEFORE", help=f"An experiment: {_WHAT}", autocompletion=experiment_names)
]
After = Annotated[
    str, typer.Argument(metavar="AFTER", help="The one to judge, named alike.", autocompletion=experiment_names)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    before: Before,
    after: After,
    namespace: Namespace = None,
    context: Context = None,
    store: StoreUri = None,
    output: FormatOption = Format.TABLE,
) -> int:
    """Compare two experiments, untuned with tuned or dense with sparse: differences, and whether seeds explain them.

    Per task: a t test over seeds (paired where both have the same seeds), its interval, p with Holm's correction over
    the tasks, and a verdict on AFTER: better, worse, no significant difference, too few seeds, not tested, or
    not compared.
    """
    t_test = _t_test()
    made = compared(*both_documents(before, after, Where(store, context, namespace, note)), t_test)
    if not made.tasks:
        raise ClientError(
            f"{made.before.name} and {made.after.name} have no task in common",
            f"The first has {', '.join(made.only_before)}; the second {', '.join(made.only_after)}.",
        )
    if output in {Format.TABLE, Format.WIDE}:
        console().print(comparison_page(made, wide=output == Format.WIDE))
    elif output.value in WRITERS:
        write(WRITERS[output.value](made).decode())
    else:
        emit(made.model_dump(mode="json", by_alias=True), Output(output.value))
    return Exit.OK


def _t_test() -> TTest:
    """scipy's; it takes a second to import, so that only this command pays, and it comes with the trainer."""
    try:
        from finetune_report.significance import t_test  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "scipy":
            raise
        raise ClientError(
            "comparing needs scipy, which is not installed here",
            "Install it: pip install scipy. `finetune results` needs none.",
        ) from error
    return t_test
