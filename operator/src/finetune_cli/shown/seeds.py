"""`compare --until-decided` on the terminal: a line a task, and the commands that add the seeds it needs. Pure."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.fitted import table
from finetune_core.results.comparison.schema import Whose
from finetune_core.seeds.schema import Decided, SeedsNeeded, TaskSeeds
from finetune_core.tables import figures

_COLUMNS = ("TASK", "METRIC?", "SEEDS>", "DIFFERENCE>", "P>", "LEVEL>", "T TEST?", "VERDICT~", "NEXT~")
_STYLES = {Decided.BETTER: "bold green", Decided.WORSE: "bold red", Decided.NOT_COMPARED: "yellow"}


def more_before(made: SeedsNeeded) -> dict[str, int]:
    """Runs to add to the first experiment, by task."""
    return {task.task: task.before_more for task in made.undecided if task.before_more}


def more_after(made: SeedsNeeded) -> dict[str, int]:
    """Runs to add to the second experiment, by task."""
    return {task.task: task.after_more for task in made.undecided if task.after_more}


def seeds_page(made: SeedsNeeded, *, wide: bool = False) -> RenderableType:
    """What is decided, what is next, and how to have it."""
    rows = [_row(task) for task in made.tasks]
    notes = [Text(note, style="dim") for note in _notes(made)]
    commands = [Text(line, no_wrap=True, overflow="ignore") for line in commands_of(made)]
    whose = (Text(f"Before: {made.before.name}"), Text(f"After: {made.after.name}"))
    return Group(*whose, Text(""), table(_COLUMNS, rows, wide=wide), Text(""), *commands, *notes)


def commands_of(made: SeedsNeeded) -> Iterator[str]:
    """A command for each experiment and number of runs to add to some of its tasks."""
    for whose, more in ((made.before, more_before(made)), (made.after, more_after(made))):
        for runs in sorted(set(more.values())):
            yield _command(whose, runs, [task for task, asked in more.items() if asked == runs])


def _command(whose: Whose, runs: int, tasks: list[str]) -> str:
    asked = " ".join(f"--task {task}" for task in tasks)
    return f"finetune add-runs {whose.experiment} {runs} {asked} -n {whose.namespace}"


def _row(task: TaskSeeds) -> list[object]:
    level = None if task.level is None else f"{task.level:.4f}"
    return [
        task.task,
        task.metric,
        task.seeds,
        figures.metric(task.metric, task.difference, signed=True),
        figures.NOTHING if task.p is None else f"{task.p:.4f}",
        level,
        task.test.value if task.test else None,
        Text(task.verdict.value, style=_STYLES.get(task.verdict, "")),
        _next(task),
    ]


def _next(task: TaskSeeds) -> str | None:
    if task.verdict != Decided.UNDECIDED:
        return task.reason
    more = {"before": task.before_more, "after": task.after_more}
    wanted = ", ".join(f"{runs} more {side}" for side, runs in more.items() if runs)
    return f"{wanted or 'runs under way'}: look at {task.next_look}"


def _notes(made: SeedsNeeded) -> Iterator[str]:
    looks = ", ".join(map(str, made.looks))
    yield (
        f"A group-sequential t test: looks at the first {looks} seeds, whenever this is called; a task is decided "
        "where p does not exceed the level of its look. All looks and tasks together (Holm) raise a false alarm in at "
        f"most {100 * made.alpha:g} % of comparisons, as long as --max-seeds {made.most} is not changed on the way."
    )
    if any(task.verdict in {Decided.BETTER, Decided.WORSE} for task in made.tasks):
        yield "A difference that was decided early is too large on average: what stopped the test was chance, too."
    if more_before(made) or more_after(made):
        yield "An experiment without a cluster: raise runs of these tasks in its manifest, and `finetune run` it again."
