"""One search on this machine: a driver a task, one after another, then the report."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import RenderableType
from rich.live import Live

from finetune_cli.fitted import table
from finetune_cli.local.planning import PlannedSearch
from finetune_cli.local.programs import Programs
from finetune_cli.output import console, note
from finetune_core.results.run import ExitCode
from finetune_core.results.search.best_trial import best_trial
from finetune_core.results.search.trial import TrialResult
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_core.tables import figures
from finetune_store import Store
from finetune_store.documents import FILE_LIMIT, find_or_warn


class LocalSearch:
    """What is done for one command; `trials` run at a time."""

    def __init__(self, planned: PlannedSearch, store: Store, programs: Programs, trials: int) -> None:
        self._planned = planned
        self._plan = planned.plan
        self._store = store
        self._programs = programs
        self._trials = trials
        self._layout = SearchLayout(self._plan.namespace, self._plan.search)
        self._results: dict[str, TrialResult] = {}
        self._unreadable: set[str] = set()

    def search(self) -> bool:
        """Search on every task that is not done yet, showing how far it is; False if interrupted. ClientError."""
        for task in self._plan.order:
            if self._store.stat(self._layout.end(task)) is not None:
                continue
            note(f"searching on {task}; log: {self._programs.log}")
            with self._display() as look:
                code = self._programs.run(*self._driver(task), watch=look)
                look()
            if code == ExitCode.INTERRUPTED:
                return False
            if code:
                raise self._programs.failure(f"the search on {task}", code)
        return True

    def report(self) -> None:
        """Write the best values, tables and plots. ClientError."""
        names = ("--namespace", self._plan.namespace, "--search", self._plan.search)
        self._programs.must("finetune-report", "search", *names)

    def summary(self) -> str:
        """The summary in Markdown."""
        return self._store.get(self._layout.summary("md"), limit=FILE_LIMIT).decode()

    def _driver(self, task: str) -> list[str]:
        plan = self._programs.log.with_name(f"plan-{task}.json")
        plan.parent.mkdir(parents=True, exist_ok=True)
        plan.write_bytes(self._planned.job(task, self._trials).to_bytes())
        return ["finetune-trainer", "search", f"--plan={plan}", "--index=0"]

    @contextmanager
    def _display(self) -> Iterator[Callable[[], None]]:
        """What is to be called now and then: a live table on a terminal, else a line for each trial that ends."""
        self._look()
        if not sys.stdout.isatty():
            yield self._lines
            return
        with Live(console=console(), auto_refresh=False, transient=True) as live:

            def look() -> None:
                self._look()
                live.update(self._picture(), refresh=True)

            yield look

    def _look(self) -> list[TrialResult]:
        """The trials that ended since the last look. StoreError."""
        keys = [
            info.key
            for task in self._plan.order
            for info in self._store.list(self._layout.trials(TrialKind.TRIALS, task))
            if info.key.endswith("/result.json") and info.key not in self._results.keys() | self._unreadable
        ]
        found = {key: find_or_warn(self._store, key, TrialResult) for key in sorted(keys)}
        new = {key: result for key, result in found.items() if result is not None}
        self._results |= new
        self._unreadable |= found.keys() - new.keys()
        return list(new.values())

    def _lines(self) -> None:
        for trial in self._look():
            value = figures.named(trial.metric, trial.value)
            what = f"{trial.task} trial {trial.index} {trial.state.value.lower()}"
            console().print(f"{what}: {value}, {figures.settings(trial.config)}", soft_wrap=True)

    def _picture(self) -> RenderableType:
        return table(["TASK", "TRIALS>", "BEST>", "BEST TRIAL>", "HYPERPARAMETERS~"], map(self._row, self._plan.order))

    def _row(self, task: str) -> list[object]:
        ended = [trial for trial in self._results.values() if trial.task == task]
        best = best_trial(ended)
        count = figures.count(len(ended), self._plan.tasks[task].trials)
        if best is None or best.value is None:
            return [task, count, None, None, None]
        return [task, count, figures.metric(best.metric, best.value), best.index, figures.settings(best.config)]
