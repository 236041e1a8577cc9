"""`finetune-trainer inspect`: everything that a run would refuse in model and data, all of it at once, nothing trained.

The steps are those of a run (`finetune_trainer.run.preparing`); here one that fails does not hide the others.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from finetune_core.planning.inspection import Discovery, Inspection, InspectionReport
from finetune_core.planning.plan import TaskPlan
from finetune_store import S3Connection, open_store
from finetune_trainer.data.splits import Splits
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs, volumes, work_folder
from finetune_trainer.pod import quieten
from finetune_trainer.run.preparing import Preparation
from finetune_trainer.run.progress import Clock

_MODEL = "spec.model.uri"
Step = TypeVar("Step")


def write_report(arguments: argparse.Namespace, *, connection: S3Connection, patience: float) -> None:
    """Read what is to be looked at and write what was found."""
    quieten()
    inspection = Inspection.model_validate_json(arguments.inspection.read_bytes())
    work = work_folder()
    inputs = Inputs(work, connection=connection, retry_seconds=patience, pvc_root=volumes())
    splits = Splits(inputs, open_store(arguments.store, connection=connection), "inspection", work)
    report = InspectionReport(found=tuple(inspect(inspection, inputs, splits)))
    arguments.report.write_text(report.model_dump_json(by_alias=True))


def inspect(inspection: Inspection, inputs: Inputs, splits: Splits) -> list[Discovery]:
    """What is found, each thing once: a mistake of the model shows in every task."""
    found = [one for name, task in inspection.tasks.items() for one in _Look(inspection, task, inputs, splits).at(name)]
    return list(dict.fromkeys(found))


class _Look:
    """One task."""

    def __init__(self, inspection: Inspection, task: TaskPlan, inputs: Inputs, splits: Splits) -> None:
        self._inspection = inspection
        self._task = task
        self._inputs = inputs
        self._splits = splits
        self._found: list[Discovery] = []

    def at(self, name: str) -> Iterator[Discovery]:
        here = f"spec.tasks[{name}]"
        made = self._try(_MODEL, self._prepare)
        if made is not None and self._whole(made, here):
            self._try(here, made.require_fit)
            self._try(f"{here}.training.maxSeqLength", made.require_length)
            # Warnings are those of a result; with an error there would be none.
            told = () if self._found else made.warnings()
            self._found += [Discovery(field=here, message=text, warning=True) for text in told]
        yield from self._found

    def _prepare(self) -> Preparation:
        clock = Clock(before=0, timeout=None, attempts=1, stopped=lambda: False)
        # What can be wrong with one fold can be with all.
        fold = 0 if self._task.definition.folds else None
        return Preparation(self._inspection.model, self._task, self._inputs, self._splits, clock, fold)

    def _whole(self, made: Preparation, here: str) -> bool:
        """Whether data and model can be read; every split is looked at, not only up to the first that fails."""
        for split in self._read_by_a_run(made):
            self._try(f"{here}.data", partial(made.assessor.load, split))
        self._try(_MODEL, partial(made.load_model, seed=0))
        if self._found:
            return False
        made.read_data()
        return True

    def _read_by_a_run(self, made: Preparation) -> list[str]:
        scored = self._task.definition.evaluation_splits.values()
        return ["train", *scored, *sorted(made.assessor.tested())]

    def _try(self, field: str, step: Callable[[], Step]) -> Step | None:
        try:
            return step()
        except UserError as error:
            self._found.append(Discovery(field=field, message=str(error)))
            return None
