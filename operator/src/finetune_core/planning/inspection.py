"""What is to be looked at of a model and of tasks before anything is submitted, and what was found."""

from finetune_core.frozen import Record
from finetune_core.planning.plan import ResolvedModel, TaskPlan


class Inspection(Record):
    """A model and tasks, pinned, whose fits are to be found out."""

    model: ResolvedModel
    tasks: dict[str, TaskPlan]


class Discovery(Record):
    """Something that would end a run, or, as a warning, that its status would say; told at a field of the spec."""

    field: str
    message: str
    warning: bool = False


class InspectionReport(Record):
    """All that was found."""

    found: tuple[Discovery, ...] = ()
