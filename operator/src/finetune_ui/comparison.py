"""Experiments and runs side by side: scores, curves on the same axes, and the settings that differ. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from finetune_core.planning.plan import Plan
from finetune_core.results.schema import ResultsDocument, TaskRow
from finetune_core.tables import figures
from finetune_report.records import RunRecord
from finetune_ui.drawing.choice import Choice, offered
from finetune_ui.drawing.curves import Line, line_of, mean_and_band, measured, together
from finetune_ui.drawing.figure import COLOURS, Chart, axis
from finetune_ui.drawing.scores import score_chart
from finetune_ui.experiments import document_now
from finetune_ui.runs import settings_of

MOST = len(COLOURS)
"""More cannot be told apart by colour."""


@dataclass(frozen=True)
class Side:
    """An experiment, or one run of it: its name, the address of its page, and the runs that count."""

    name: str
    href: str
    plan: Plan
    records: tuple[RunRecord, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that it has runs of."""
        return tuple(dict.fromkeys(record.run.task for record in self.records))


@dataclass(frozen=True)
class SettingRow:
    """A setting with its value on each side; `differs`: it has not the same on all that have the task."""

    task: str
    name: str
    values: tuple[str, ...]
    differs: bool


@dataclass(frozen=True)
class ComparisonPage:
    """The sides with their colours, a row of `scores` a task and metric, charts, and the settings."""

    sides: tuple[tuple[Side, str], ...]
    scores: tuple[tuple[str, ...], ...]
    scores_chart: tuple[Chart, ...]
    charts: tuple[Chart, ...]
    choice: Choice
    offered: tuple[str, ...]
    differing: tuple[SettingRow, ...]
    same: tuple[SettingRow, ...]


def comparison_page(sides: Sequence[Side], choice: Choice) -> ComparisonPage:
    """The page as the stores have it now; at most MOST sides."""
    documents = [document_now(side.plan, side.records) for side in sides]
    tasks = list(dict.fromkeys(task for side in sides for task in side.tasks))
    rows = _settings(sides, tasks)
    return ComparisonPage(
        sides=tuple(zip(sides, COLOURS, strict=False)),
        scores=tuple(row for task in tasks for row in _scores(task, documents)),
        scores_chart=tuple(score_chart([(side.name, one) for side, one in zip(sides, documents, strict=True)])),
        charts=tuple(chart for task in tasks if (chart := _curves(task, sides, choice)).data),
        choice=choice,
        offered=tuple(offered(name for side in sides for name in measured(side.records))),
        differing=tuple(row for row in rows if row.differs),
        same=tuple(row for row in rows if not row.differs),
    )


def _scores(task: str, documents: Sequence[ResultsDocument]) -> list[tuple[str, ...]]:
    found = [next((row for row in document.tasks if row.task == task), None) for document in documents]
    metrics = dict.fromkeys(row.metric for one in found if one for row in one.metrics)
    return [(task, metric, *(_figure(one, metric) for one in found)) for metric in metrics]


def _figure(task: TaskRow | None, metric: str) -> str:
    row = next((row for row in task.metrics if row.metric == metric), None) if task else None
    return figures.NOTHING if row is None or not row.n else figures.spread(metric, row.mean, row.std, row.n)


def _curves(task: str, sides: Sequence[Side], choice: Choice) -> Chart:
    settings = next(side.plan.tasks[task].settings for side in sides if task in side.tasks)
    metric = choice.metric or settings.metric_for_best_model
    traces = []
    for side, colour in zip(sides, COLOURS, strict=False):
        lines = _lines(side, task, metric, choice)
        if lines:
            alone = len(lines) == 1
            traces += [{**together(side.name, metric, lines, colour, width=2.5 if alone else 1), "showlegend": alone}]
            traces += mean_and_band(side.name, metric, lines, colour)
    return Chart(
        id=f"curves-{task}",
        title=f"{task}: {metric}",
        data=tuple(traces),
        layout={
            "xaxis": {"title": {"text": "step"}},
            "yaxis": axis(metric),
            "showlegend": True,
            "legend": {"orientation": "h", "y": -0.3},
        },
    )


def _lines(side: Side, task: str, metric: str, choice: Choice) -> list[Line]:
    ours = (record for record in side.records if record.run.task == task)
    return [line for record in ours if (line := line_of(record, metric, choice)) is not None]


def _settings(sides: Sequence[Side], tasks: Sequence[str]) -> list[SettingRow]:
    rows = [
        _row("", "model", [side.plan.model.uri for side in sides]),
        _row("", "content of the model", [side.plan.model.digest for side in sides]),
        _row("", "tasks", [", ".join(side.tasks) for side in sides]),
        _row("", "seeds", [_seeds(side) for side in sides]),
    ]
    return rows + [row for task in tasks for row in _task_settings(sides, task)]


def _task_settings(sides: Sequence[Side], task: str) -> list[SettingRow]:
    """Of a task that two sides have, at least; one that does not have it differs in nothing but that."""
    told = [_told(side, task) if task in side.tasks else None for side in sides]
    having = [one for one in told if one is not None]
    if len(having) < 2:
        return []
    return [
        SettingRow(
            task=task,
            name=name,
            values=tuple(figures.NOTHING if one is None else one.get(name, figures.NOTHING) for one in told),
            differs=len({one.get(name) for one in having}) > 1,
        )
        for name in dict.fromkeys(name for one in having for name in one)
    ]


def _told(side: Side, task: str) -> dict[str, str]:
    data = side.plan.tasks[task].data
    return {
        "data": data.uri,
        "content of the data": data.digest or figures.NOTHING,
        **dict(settings_of(side.plan, task)),
    }


def _seeds(side: Side) -> str:
    return ", ".join(str(seed) for seed in dict.fromkeys(record.run.seed for record in side.records))


def _row(task: str, name: str, values: Sequence[str]) -> SettingRow:
    return SettingRow(task, name, tuple(values), differs=len(set(values)) > 1)
