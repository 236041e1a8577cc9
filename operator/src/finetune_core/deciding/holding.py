"""What follows from a spent budget: pods begin nothing new, and status says why."""

from dataclasses import Field, replace
from typing import Any, ClassVar, Protocol, TypeVar

from finetune_core.api.status import Reason
from finetune_core.deciding.actions import Action, HoldWork, ReleaseWork

_BEFORE_THE_END = frozenset({Reason.RUNNING, Reason.PENDING, Reason.BLOCKED, Reason.QUEUED})


class _Decision(Protocol):
    """Of either kind; `done` is one of its fields, too."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def actions(self) -> tuple[Action, ...]:
        """In their order."""


_DecisionT = TypeVar("_DecisionT", bound=_Decision)


def marked(decision: _DecisionT, name: str, overspent: str | None, *, held: bool) -> _DecisionT:
    """The decision with the hold of the owner `name` before all else, so that no pod begins what is not to be.

    Or with the hold's end, after all else: until then, what was left undone is known to be no failure.
    """
    if (overspent is not None) == held:
        return decision
    if overspent is None:
        return replace(decision, actions=(*decision.actions, ReleaseWork(name)), done=False)
    return replace(decision, actions=(HoldWork(name, overspent), *decision.actions), done=False)


def told(overspent: str | None, reason: Reason, message: str) -> tuple[Reason, str]:
    """What a look says while the last of the work goes on."""
    if overspent is None or reason not in _BEFORE_THE_END:
        return reason, message
    return Reason.BUDGET_SPENT, f"{overspent} Nothing new begins; what runs goes on to its end. {message}"
