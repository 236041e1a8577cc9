"""What a Tuner works through: the trials of a task, or the finalists that are run again on fresh seeds."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from finetune_core.api.search import TrialScheduler
from finetune_core.canonical import short_hash
from finetune_core.planning.search.plan import SearchPlan, SearchTaskPlan
from finetune_core.planning.settings import Config
from finetune_core.results.search.trial import TrialResult
from finetune_core.search_layout import SearchLayout, TrialKind, TrialLayout

Propose = Callable[[int, list[TrialResult], list[Config], Callable[[Config], bool]], Config]
"""The configuration of a fresh index, from the results so far and the configurations that are being run.

The last argument says whether a configuration has been tried already: better another one.
"""


@dataclass(frozen=True)
class Phase:
    """`count` trials of one kind; the scheduler of finalists is FIFO."""

    plan: SearchPlan
    task: str
    kind: TrialKind
    count: int
    seeds: tuple[int, ...]
    scheduler: TrialScheduler
    propose: Propose

    @property
    def searched(self) -> SearchTaskPlan:
        """The task's part of the plan."""
        return self.plan.tasks[self.task]

    @property
    def layout(self) -> SearchLayout:
        """Where the search lies."""
        return SearchLayout(self.plan.namespace, self.plan.search)

    @property
    def folder(self) -> str:
        """Where these trials lie."""
        return self.layout.trials(self.kind, self.task)

    def trial(self, index: int) -> TrialLayout:
        """Where one of them lies."""
        return self.layout.trial(self.kind, self.task, index)

    def trial_id(self, config: Config) -> str:
        """The plan's id; of values that no run accepts, a hash of them alone."""
        try:
            return self.plan.trial_id(self.task, config)
        except ValidationError:
            return short_hash([self.task, config], 12)

    def name(self, index: int) -> str:
        """`trial 3` or `finalist 0`, for logs."""
        return f"{'trial' if self.kind == TrialKind.TRIALS else 'finalist'} {index}"
