"""What `finetune compare --until-decided -o json` writes: which tasks are decided, and the seeds that the others need.

Metrics are as measured; every difference is after - before, whether more or less is better.
"""

from enum import StrEnum

from finetune_core.frozen import Document
from finetune_core.results.comparison.schema import Whose
from finetune_core.results.comparison.significance import ALPHA, Kind

SEEDS_SCHEMA_VERSION = 1


class Decided(StrEnum):
    """What is known of `after` by now."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference found"
    """With as many seeds as there are to be at most."""
    UNDECIDED = "undecided"
    NOT_COMPARED = "not compared"


class TaskSeeds(Document):
    """A task: `seeds` that can be compared (pairs, or runs of the side that has fewer), and what they say.

    `looked_at` is the number of seeds of the look that `difference`, `p` (two-sided) and `level` (which p must not
    exceed) are of: the one that decided, else the last. `next_look` is the number that is looked at next, for which
    `before_more` and `after_more` runs have to be added; none of either: runs that are planned are waited for.
    `reason` says why nothing is compared.
    """

    task: str
    metric: str
    verdict: Decided
    test: Kind | None = None
    seeds: int = 0
    looked_at: int | None = None
    difference: float | None = None
    p: float | None = None
    level: float | None = None
    next_look: int | None = None
    before_more: int = 0
    after_more: int = 0
    reason: str | None = None


class SeedsNeeded(Document):
    """Two experiments and the seeds that a verdict on each task needs; `most` is how many it may have."""

    schema_version: int = SEEDS_SCHEMA_VERSION
    before: Whose
    after: Whose
    alpha: float = ALPHA
    correction: str = "Holm"
    spending: str = "Pocock"
    most: int
    looks: tuple[int, ...]
    tasks: tuple[TaskSeeds, ...]

    @property
    def undecided(self) -> tuple[TaskSeeds, ...]:
        """The tasks that seeds are added for, or waited for."""
        return tuple(task for task in self.tasks if task.verdict == Decided.UNDECIDED)
