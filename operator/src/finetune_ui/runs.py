"""What the page of one run shows. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from finetune_core.planning.plan import Plan
from finetune_core.results.run import Failure, RunResult
from finetune_core.tables import figures
from finetune_report.records import RunRecord, State
from finetune_ui.drawing.choice import Choice, offered
from finetune_ui.drawing.curves import measured, run_curves
from finetune_ui.drawing.figure import Chart

_GIB = 1 << 30

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reason:
    """Why an attempt failed, with its traceback where there is one."""

    attempt: str
    when: str
    why: str
    traceback: str


@dataclass(frozen=True)
class RunPage:
    """Facts, curves, settings, hardware, why attempts failed, and a line an evaluation; `rows` are (name, value)."""

    task: str
    run: int
    state: str
    percent: int
    steps: str
    facts: Rows
    charts: tuple[Chart, ...]
    choice: Choice
    offered: tuple[str, ...]
    settings: Rows
    hardware: Rows
    reasons: tuple[Reason, ...]
    log: tuple[str, ...]


def run_page(
    plan: Plan, record: RunRecord, failures: Iterable[Failure], now: datetime, choice: Choice, *, best: bool
) -> RunPage:
    """The page as the store has it now; `failures` are of all attempts, `best`: it is the best run of its task."""
    metric = choice.metric or plan.tasks[record.run.task].settings.metric_for_best_model
    step, total = steps_of(record)
    return RunPage(
        task=record.run.task,
        run=record.run.run,
        state=record.state.value,
        percent=percent(record),
        steps=figures.count(step, total) if total else "",
        facts=tuple(_facts(plan, record, now, best=best)),
        charts=tuple(run_curves(record, metric, choice)),
        choice=choice,
        offered=tuple(offered(measured([record]))),
        settings=settings_of(plan, record.run.task),
        hardware=tuple(_hardware(record.result)) if record.result else (),
        reasons=tuple(_reason(one, now) for one in failures),
        log=tuple(figures.evaluation_line(one, total, None) for one in record.evaluations),
    )


def steps_of(record: RunRecord) -> tuple[int, int]:
    """Steps done and planned, 0 where not known."""
    if record.result:
        return record.result.last_step, record.result.last_step
    return (record.progress.step, record.progress.total_steps) if record.progress else (0, 0)


def percent(record: RunRecord) -> int:
    """How much of it is done, 0 to 100."""
    step, total = steps_of(record)
    return 100 if record.result else 100 * step // total if total else 0


def settings_of(plan: Plan, task: str) -> Rows:
    """Every setting of a task that has a value."""
    told: Mapping[str, Any] = plan.tasks[task].settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    return tuple((name, figures.setting(value)) for name, value in told.items())


def _facts(plan: Plan, record: RunRecord, now: datetime, *, best: bool) -> Iterator[tuple[str, str]]:
    run, result, progress = record.run, record.result, record.progress
    yield "Run id", run.run_id
    yield "Seed", str(run.seed) if run.fold is None else f"{run.seed} (fold {run.fold})"
    if result is not None:
        yield "Best", _at(result) + (", the best run of its task" if best else "")
        tries = "1 attempt" if result.attempts == 1 else f"{result.attempts} attempts"
        yield "Trained", f"{figures.duration(result.train_seconds)}, {tries}"
        yield "From, to", f"{result.started_at}, {result.finished_at}"
        if result.taken_from:
            yield "Trained by", f"experiment {result.taken_from}"
    elif progress is not None:
        left = f", {figures.duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
        yield "So far", f"{progress.phase}, {figures.duration(progress.elapsed_seconds)}{left}"
        if record.state == State.RUNNING:
            yield "Last sign", f"{figures.age(progress.time, now)} ago"
    yield "Model", plan.model.uri
    yield "Data", plan.tasks[run.task].data.uri


def _at(result: RunResult) -> str:
    others = (figures.named(name, value) for name, value in result.metrics.items() if name != result.metric)
    return f"{figures.named(result.metric, result.value)} at step {result.step} ({', '.join(others)})"


def _hardware(result: RunResult) -> Iterator[tuple[str, str]]:
    yield from ((name, figures.setting(value)) for name, value in result.hardware.items() if value is not None)
    if result.peak_memory_bytes:
        yield "peak memory", f"{result.peak_memory_bytes / _GIB:.2f} GiB"
    if result.image:
        yield "image", result.image
    yield from result.versions.items()


def _reason(failure: Failure, now: datetime) -> Reason:
    when = f"{figures.age(failure.time, now)} ago"
    return Reason(failure.attempt, when, f"{failure.reason.value}: {failure.message}", failure.traceback or "")
