"""`finetune`: the commands put together, and errors turned into words and exit codes."""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from finetune_cli.commands import (
    changing,
    cleaning,
    compare,
    converting,
    downloading,
    hyperparameters,
    leaderboard,
    planning,
    pod_logs,
    quarantining,
    results,
    run,
    search,
    ui,
    validate,
    watching,
)
from finetune_cli.output import error_console
from finetune_client.errors import ClientError
from finetune_client.exits import Exit
from finetune_core.problems import FinetuneError
from finetune_store import StoreError

_HELP = """Fine-tune models on GLUE and on tasks of your own, on Kubernetes.

Exit codes: 0 fine; 1 problems found, or it ended badly; 2 wrong usage; 3 not found; 4 refused; 5 unreachable.
"""

_INSIDE = (
    "If the store's address works only inside the cluster, forward a port (kubectl port-forward) and set "
    "AWS_ENDPOINT_URL to it."
)

_GROUPS = (
    run,
    search,
    validate,
    planning,
    changing,
    watching,
    ui,
    pod_logs,
    quarantining,
    results,
    compare,
    hyperparameters,
    leaderboard,
    cleaning,
    converting,
    downloading,
)
"""One module per group of commands; each has `register(app)`."""


# Newer versions of typer bring a click of their own along; its errors have a public name only here.
_UsageError: Any = typer.BadParameter.__base__


def build_app() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    # With a callback a single command keeps its name too.
    app.callback(help=_HELP)(lambda: None)
    for group in _GROUPS:
        group.register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. What a person can put right never ends in a traceback."""
    try:
        result = build_app()(
            args=list(arguments) if arguments is not None else None, standalone_mode=False, prog_name="finetune"
        )
    except _UsageError as error:
        error.show()
        result = Exit.USAGE
    except (typer.Abort, KeyboardInterrupt):
        result = Exit.INTERRUPTED
    except typer.Exit as error:
        result = error.exit_code
    except (FinetuneError, StoreError) as error:
        result = _fail(error)
    except BrokenPipeError:
        # The reader of a pipe has what it wants; Python would complain again when it flushes at the end.
        sys.stderr.close()
        result = Exit.OK
    return result if isinstance(result, int) else Exit.OK


def _fail(error: FinetuneError | StoreError) -> int:
    message, remedy, code = str(error), "", Exit.PROBLEMS
    if isinstance(error, ClientError):
        message, remedy, code = error.message, error.remedy, error.code
    elif isinstance(error, StoreError):
        code = Exit.UNREACHABLE if error.transient else Exit.REFUSED
        remedy = _INSIDE if error.transient else ""
    out = error_console()
    out.print("error:", style="bold red", end=" ")
    out.print(message, markup=False)
    if remedy:
        out.print(remedy, markup=False)
    return code
