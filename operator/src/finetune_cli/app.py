"""`finetune`: the commands put together, and errors turned into words and exit codes."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

import typer

from finetune_cli.lazy import CONTEXT, LazyGroup
from finetune_cli.output import error_console, write
from finetune_client.errors import ClientError
from finetune_client.exits import Exit
from finetune_core.problems import FinetuneError

_HELP = """Fine-tune models on GLUE and on tasks of your own, on Kubernetes.

Exit codes: 0 fine; 1 problems found, or it ended badly; 2 wrong usage; 3 not found; 4 refused; 5 unreachable.
"""

_INSIDE = (
    "If the store's address works only inside the cluster, forward a port (kubectl port-forward) and set "
    "AWS_ENDPOINT_URL to it."
)

# Newer versions of typer bring a click of their own along; its errors have a public name only here.
_UsageError: Any = typer.BadParameter.__base__


def _version(asked: bool) -> None:
    if asked:
        write(f"finetune {version('finetune-operator')}\n")
        raise typer.Exit


def build_app() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(
        cls=LazyGroup,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )

    @app.callback(help=_HELP)
    def options(
        _: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
        ] = False,
    ) -> None:
        pass

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
    except FinetuneError as error:
        result = _fail(error)
    except BrokenPipeError:
        # The reader of a pipe has what it wants; Python would complain again when it flushes at the end.
        sys.stderr.close()
        result = Exit.OK
    except Exception as error:
        # Only what a command has imported can raise the store's errors: help does not wait for that import.
        if not (told := _store_error(error)):
            raise
        result = told
    return result if isinstance(result, int) else Exit.OK


def _fail(error: FinetuneError) -> int:
    if isinstance(error, ClientError):
        return _say(error.message, error.remedy, error.code)
    return _say(str(error), "", Exit.PROBLEMS)


def _store_error(error: Exception) -> int | None:
    from finetune_store import StoreError  # noqa: PLC0415

    if not isinstance(error, StoreError):
        return None
    return _say(str(error), _INSIDE, Exit.UNREACHABLE) if error.transient else _say(str(error), "", Exit.REFUSED)


def _say(message: str, remedy: str, code: int) -> int:
    out = error_console()
    out.print("error:", style="bold red", end=" ")
    out.print(message, markup=False)
    if remedy:
        out.print(remedy, markup=False)
    return code
