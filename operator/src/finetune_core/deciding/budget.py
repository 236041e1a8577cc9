"""Whether new work may begin within `spec.budget`; pure."""

from dataclasses import dataclass

from finetune_core.api.budget import Budget
from finetune_core.tables import figures


@dataclass(frozen=True)
class Limits:
    """`spec.budget`, the seconds since the first Job, and whether the store tells pods to begin nothing."""

    budget: Budget | None = None
    seconds: float = 0.0
    held: bool = False

    def spent(self, gpu_seconds: float) -> str | None:
        """What is spent, in a sentence; None while nothing is."""
        budget = self.budget
        if budget is None:
            return None
        if budget.gpu_hours is not None and gpu_seconds >= 3600 * budget.gpu_hours:
            taken = figures.gpu_hours(gpu_seconds)
            return f"spec.budget.gpuHours is spent: {taken} of {budget.gpu_hours:g} GPU-hours."
        if budget.seconds is not None and self.seconds >= budget.seconds:
            return f"spec.budget.time is spent: {budget.time} since the first Job."
        return None


NO_LIMITS = Limits()
