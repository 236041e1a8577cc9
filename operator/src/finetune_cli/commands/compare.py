"""`compare`: whether one experiment is better than another by more than seeds explain."""

from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from finetune_cli.commands.common import Context, Namespace, StoreUri, experiment_names
from finetune_cli.commands.results import Format, FormatOption
from finetune_cli.output import Output, console, emit, note, write
from finetune_cli.shown.comparison import WRITERS, comparison_page
from finetune_client.errors import ClientError, UsageError
from finetune_client.exits import Exit
from finetune_client.result_sets import Where, both_documents, both_places
from finetune_client.row_by_row import compare_runs, with_items
from finetune_core.results.comparison import compare as compared
from finetune_core.results.comparison_schema import ItemComparison
from finetune_core.results.item_comparison import ItemTests
from finetune_core.results.significance import TTest
from finetune_core.tables.comparison_formats import items_csv
from finetune_core.tables.comparison_text import ITEMS_NOTE, item_words

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
    items: Annotated[bool, typer.Option(help="Compare row by row too, by the dev predictions that runs keep.")] = True,
    runs: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="BEFORE AFTER", help="Only these two runs, by id or TASK/RUN, row by row."),
    ] = None,
) -> int:
    """Compare two experiments, untuned with tuned or dense with sparse: differences, and whether seeds explain them.

    Per task: a t test over seeds (paired where both have the same seeds), its interval, p with Holm's correction over
    the tasks, and a verdict on AFTER: better, worse, no significant difference, too few seeds, not tested, or
    not compared. Then row by row over the dev set, between the models that there are: McNemar's exact test and a
    paired bootstrap.
    """
    (t_test, item_tests), where = _scipy(), Where(store, context, namespace, note)
    if runs is not None:
        first, second = both_places(before, after, where, one_will_do=True)
        return _show_runs(compare_runs((first, runs[0]), (second, runs[1]), item_tests), output)
    first, second = both_places(before, after, where)
    documents = both_documents((first, second), where)
    made = compared(*documents, t_test)
    if not made.tasks:
        raise ClientError(
            f"{made.before.name} and {made.after.name} have no task in common",
            f"The first has {', '.join(made.only_before)}; the second {', '.join(made.only_after)}.",
        )
    if items:
        made = with_items(made, (first, documents[0]), (second, documents[1]), item_tests)
    if output in {Format.TABLE, Format.WIDE}:
        console().print(comparison_page(made, wide=output == Format.WIDE))
    elif output.value in WRITERS:
        write(WRITERS[output.value](made).decode())
    else:
        emit(made.model_dump(mode="json", by_alias=True), Output(output.value))
    return Exit.OK


def _show_runs(made: ItemComparison, output: Format) -> int:
    if output in {Format.TABLE, Format.WIDE}:
        console().print(Group(Text(item_words(made)), Text(""), Text(ITEMS_NOTE, style="dim")))
    elif output == Format.CSV:
        write(items_csv([made]).decode())
    elif output.value in WRITERS:
        raise UsageError(f"-o {output.value} shows two experiments, not two runs", "Use -o csv, json or yaml.")
    else:
        emit(made.model_dump(mode="json", by_alias=True), Output(output.value))
    return Exit.OK


def _scipy() -> tuple[TTest, ItemTests]:
    """scipy's tests; they take a second to import, so that only this command pays, and scipy comes with the trainer."""
    try:
        from finetune_report import item_tests  # noqa: PLC0415
        from finetune_report.significance import t_test  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "scipy":
            raise
        raise ClientError(
            "comparing needs scipy, which is not installed here",
            "Install it: pip install scipy. `finetune results` needs none.",
        ) from error
    return t_test, item_tests
