"""`finetune-report`: build the report of an experiment or of a search, show it, check a leaderboard zip."""

import argparse
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from finetune_core.layout import ExperimentLayout
from finetune_core.leaderboard.checks import validate_zip
from finetune_core.plain import escaped, visible
from finetune_core.planning.plan import JobPlan, Plan
from finetune_core.problems import FinetuneError
from finetune_core.results.run import ExitCode, FailureReason
from finetune_core.stored import is_relative, read_json
from finetune_core.tables.search_summary import summary_markdown
from finetune_report.build import build
from finetune_report.errors import OvertakenError, ReportError, ResultsChangedError, reported
from finetune_report.labels import OpenData
from finetune_report.last_words import say_last
from finetune_store import POD_RETRY_SECONDS, RETRY_SECONDS, NotFoundError, S3Connection, Store, StoreError, open_store
from finetune_store.documents import FILE_LIMIT, find
from finetune_store.signs import signs_of_life

_log = logging.getLogger(__name__)

TERMINATION_LOG = Path("/dev/termination-log")
_PVC_ROOT = "/mnt/pvc"
_SIGN = "key in the store of an object that is written anew while the work goes on"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code says whether trying again can help (see `ExitCode`)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        with _signs(options):
            return command(options)
    except ResultsChangedError as error:
        return _fail(FailureReason.RESULTS_CHANGED, error, ExitCode.RESULTS_CHANGED)
    except OvertakenError as error:
        return _fail(FailureReason.INTERNAL, error, ExitCode.RETRY)
    except FinetuneError as error:
        return _fail(FailureReason.USER_ERROR, error, ExitCode.USER_ERROR)
    except StoreError as error:
        return _fail(FailureReason.STORE, error, ExitCode.STORE if error.mendable else ExitCode.USER_ERROR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="finetune-report", description=__doc__)
    commands = parser.add_subparsers(required=True)
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument(
        "--store",
        default=os.environ.get("FINETUNE_STORE"),
        help="s3://bucket/prefix (AWS_* variables say how to reach it) or file:///folder; default: $FINETUNE_STORE",
    )
    building = commands.add_parser("build", parents=[store], help="write tables, best predictions and submission.zip")
    plan = building.add_mutually_exclusive_group(required=True)
    plan.add_argument("--plan", type=Path, metavar="FILE", help="plan.json, of an experiment or of a Job")
    plan.add_argument("--plan-key", metavar="KEY", help="an experiment's plan.json, as a key in the store")
    building.add_argument(
        "--failed", nargs="*", action="extend", default=[], metavar="RUNID", help="runs that will not be tried again"
    )
    building.add_argument("--failed-file", type=Path, metavar="FILE", help="the same, one a line")
    building.add_argument("--expect-digest", metavar="DIGEST", help="write nothing unless the results have this digest")
    building.add_argument("--sign", metavar="KEY", help=_SIGN)
    building.set_defaults(command=_build)
    searching = commands.add_parser("search", parents=[store], help="write a search's tables, plots and best values")
    searching.add_argument("--namespace", required=True, metavar="NAMESPACE")
    searching.add_argument("--search", required=True, metavar="NAME")
    searching.add_argument("--expect-digest", metavar="DIGEST", help="write nothing unless its trials have this digest")
    searching.add_argument("--sign", metavar="KEY", help=_SIGN)
    searching.set_defaults(command=_search)
    showing = commands.add_parser("show", parents=[store], help="print the table of results")
    showing.add_argument("experiment", metavar="NAMESPACE/EXPERIMENT")
    showing.set_defaults(command=_show)
    checking = commands.add_parser("check", help="say what the GLUE leaderboard would refuse in a zip")
    checking.add_argument("zip", type=Path, metavar="ZIP")
    checking.set_defaults(command=_check)
    return parser


def _build(options: argparse.Namespace) -> int:
    store = _open(options.store, seconds=POD_RETRY_SECONDS)
    plan = _read_plan(options, store)
    failed = [*options.failed, *_lines(options.failed_file)]
    build(store, plan, failed, open_data=_data_opener(), expected=options.expect_digest)
    return ExitCode.SUCCESS


def _search(options: argparse.Namespace) -> int:
    # Only the trainer's image has what draws plots; the other commands work without.
    from finetune_report.search.build import build_search  # noqa: PLC0415

    store = _open(options.store, seconds=POD_RETRY_SECONDS)
    summary = build_search(store, options.namespace, options.search, expected=options.expect_digest)
    _print_markdown(summary_markdown(summary).decode())
    return ExitCode.SUCCESS


def _show(options: argparse.Namespace) -> int:
    namespace, slash, name = options.experiment.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ReportError(f"{options.experiment!r} is not NAMESPACE/EXPERIMENT")
    store = _open(options.store)
    layout = ExperimentLayout(namespace, name)
    try:
        # results.json marks the report as whole; without it the table may be an old one.
        store.get(layout.results("json"), limit=FILE_LIMIT)
        _print_markdown(store.get(layout.results("md"), limit=FILE_LIMIT).decode())
    except NotFoundError as error:
        raise ReportError(
            f"{store.uri(layout.root)} holds no report: it is written when all runs have ended; is it the right store "
            "and experiment?"
        ) from error
    return ExitCode.SUCCESS


def _print_markdown(text: str) -> None:
    """Rendered where rich is installed and a person looks; as it is otherwise."""
    if not sys.stdout.isatty():
        sys.stdout.write(text)
    elif importlib.util.find_spec("rich"):
        from rich.console import Console  # noqa: PLC0415 - optional
        from rich.markdown import Markdown  # noqa: PLC0415

        Console().print(Markdown(visible(text)))
    else:
        sys.stdout.write(visible(text))


def _check(options: argparse.Namespace) -> int:
    try:
        with options.zip.open("rb") as content:
            problems = validate_zip(content)
    except OSError as error:
        raise ReportError(f"{options.zip} cannot be read: {error.strerror}") from error
    for problem in problems:
        sys.stdout.write(f"{escaped(str(problem))}\n")
    if not problems:
        sys.stdout.write(f"{options.zip}: as the leaderboard wants it\n")
    return ExitCode.USER_ERROR if problems else ExitCode.SUCCESS


def _open(uri: str | None, *, seconds: float = RETRY_SECONDS) -> Store:
    if not uri:
        raise ReportError("no store: give --store or set FINETUNE_STORE")
    return open_store(uri, connection=S3Connection.from_env(os.environ), retry_seconds=seconds)


def _signs(options: argparse.Namespace) -> AbstractContextManager[None]:
    """A pod that reports tells that it works; other commands, and people, have nobody to tell."""
    key = getattr(options, "sign", None)
    return signs_of_life(_open(options.store, seconds=0), key) if key else nullcontext()


def _data_opener() -> OpenData:
    """Opens s3:// and file:// data, and volumes where they are mounted; the hub is left alone."""

    def open_data(uri: str) -> Store | None:
        scheme, _, path = uri.partition("://")
        if scheme == "pvc" and is_relative(path.rstrip("/")):
            return _open((Path(os.environ.get("FINETUNE_PVC_ROOT", _PVC_ROOT)) / path).absolute().as_uri())
        return _open(uri) if scheme in {"s3", "file"} else None

    return open_data


def _read_plan(options: argparse.Namespace, store: Store) -> Plan:
    if not options.plan:
        # Read by what it lies in, not by what it says: others may write there.
        with reported():
            plan = find(store, options.plan_key, Plan, options.plan_key.rpartition("/")[0])
        if plan is None:
            raise ReportError(
                f"the plan {store.uri(options.plan_key)} cannot be read: it does not exist; is it the right store?"
            )
        return plan
    try:
        content = options.plan.read_bytes()
        # A Job's plan holds the experiment's beside its indexes.
        is_of_job = "indexes" in read_json(content)
        return JobPlan.model_validate_json(content).plan if is_of_job else Plan.model_validate_json(content)
    except OSError as error:
        raise ReportError(f"the plan {options.plan} cannot be read: {error}") from error
    except (ValueError, TypeError) as error:
        raise ReportError(f"{options.plan} is no plan of this version: {error}") from error


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        return file.read_text().split()
    except OSError as error:
        raise ReportError(f"--failed-file {file} cannot be read: {error.strerror}") from error


def _fail(reason: FailureReason, error: Exception, code: int) -> int:
    """Say why on standard error and, in a pod, in its termination message, where the operator finds it."""
    _log.error("%s", escaped(str(error)))
    say_last(reason, str(error), TERMINATION_LOG)
    return code
