"""One experiment on this machine: its runs by a driver, then its report."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live

from finetune_cli.local.planning import Planned
from finetune_cli.local.programs import Programs
from finetune_cli.local.watching import Watch, line, picture
from finetune_cli.output import console, note
from finetune_client.errors import ClientError
from finetune_core.deciding.outcome import run_warnings
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import DriverFailure, ExitCode
from finetune_core.results.schema import ResultsDocument
from finetune_core.seeds.growth import more_runs
from finetune_store import Store
from finetune_store.documents import find


class LocalRun:
    """What is done for one command."""

    def __init__(self, planned: Planned, store: Store, programs: Programs, workers: int | None) -> None:
        self._plan = planned.plan
        self._job = planned.job
        self._store = store
        self._programs = programs
        self._workers = workers
        self._layout = ExperimentLayout(self._plan.namespace, self._plan.experiment)
        self._report_key = self._layout.driver_report("local")
        self._watch = Watch(store, self._plan, self._report_key, workers=workers or planned.at_once)

    def runs(self) -> bool:
        """Do the runs that have no result, showing how far they are; False if interrupted. ClientError, StoreError."""
        if not self._job.indexes:
            return True
        self._store.delete(self._report_key)
        note(f"{len(self._job.indexes)} of {len(self._plan.runs)} runs to do; log: {self._programs.log}")
        with self._display() as look:
            code = self._programs.run(*self._driver(), watch=look)
            look()
        if code and code != ExitCode.INTERRUPTED and not self._watch.report.failed:
            raise self._programs.failure("the trainer", code)
        return code != ExitCode.INTERRUPTED

    def wanted(self) -> dict[str, int]:
        """Task -> how many runs it is to have, of tasks that have not enough, once all have ended. StoreError."""
        self._watch.look()
        return more_runs(self._plan, self._watch.outcomes, self._watch.report.failed)

    def report(self) -> None:
        """Write tables, best predictions and the zip. ClientError."""
        failed = ["--failed", *self._watch.report.failed] if self._watch.report.failed else []
        self._programs.must("finetune-report", "build", f"--plan-key={self._layout.plan}", *failed)

    def failures(self) -> list[tuple[str, DriverFailure]]:
        """The runs that were given up, as `rte run 0`, and why."""
        failed = self._watch.report.failed
        return [(f"{run.task} run {run.run}", failed[run.run_id]) for run in self._plan.runs if run.run_id in failed]

    def warnings(self) -> tuple[str, ...]:
        """What went wrong beside the runs: trackers that do not show all of them."""
        return run_warnings(self._watch.outcomes.values())

    def document(self) -> ResultsDocument:
        """The report's results."""
        found = find(self._store, self._layout.results("json"), ResultsDocument, self._layout.root)
        if found is None:
            raise ClientError("the report left no results.json", f"See {self._programs.log}.")
        return found

    def places(self) -> dict[str, str]:
        """Where everything lies, by what it is."""
        places = {"results": self._store.uri(self._layout.root), "report": self._store.uri(self._layout.report)}
        if self._store.stat(self._layout.submission) is not None:
            places["leaderboard zip"] = self._store.uri(self._layout.submission)
        return places

    def _driver(self) -> list[str]:
        plan = self._programs.log.with_name("plan.json")
        plan.parent.mkdir(parents=True, exist_ok=True)
        plan.write_bytes(self._job.to_bytes())
        command = ["finetune-trainer", "drive", "--local", f"--plan={plan}", f"--report-key={self._report_key}"]
        return [*command, f"--workers={self._workers}"] if self._workers else command

    @contextmanager
    def _display(self) -> Iterator[Callable[[], None]]:
        """What is to be called now and then: a live picture on a terminal, else a line for each run that ends."""
        self._watch.look()
        if not sys.stdout.isatty():
            yield self._lines
            return
        with Live(console=console(), auto_refresh=False, transient=True) as live:

            def look() -> None:
                self._watch.look()
                live.update(picture(self._watch), refresh=True)

            yield look

    def _lines(self) -> None:
        before = len(self._watch.outcomes)
        for place, outcome in enumerate(self._watch.look(), start=before + 1):
            console().print(line(self._plan, outcome, place), soft_wrap=True)
