"""What users and bad luck do to an experiment or a search."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from finetune_core.api import Execution
from support.simulated.cluster import Cluster
from support.simulated.store import DAMAGES, MemoryStore


class Unlucky(ABC):
    """Whatever can happen to one."""

    rng: random.Random
    store: MemoryStore
    cluster: Cluster
    execution: Execution
    generation: int
    settled_at: int | None
    tampered: bool
    tight: bool

    @abstractmethod
    def look(self, *, killed_after: int | None = None, status_lost: bool = False) -> None:
        """One look of the operator."""

    @abstractmethod
    def progress(self) -> None:
        """Time passes for controllers, kubelets and pods."""

    @abstractmethod
    def edit_spec(self) -> None:
        """A new generation of the spec, with other work."""

    @abstractmethod
    def spec_of_now(self) -> dict[str, Any]:
        """What `edit` takes to change the spec back."""

    @abstractmethod
    def results(self) -> list[str]:
        """Keys of the results that lie in the store."""

    def edit(self, **execution: object) -> None:
        """A new generation of the spec."""
        self.execution = self.execution.model_copy(update=execution)
        self.generation += 1

    def _edit_and_back(self) -> None:
        before = self.spec_of_now()
        self.edit_spec()
        for _ in range(self.rng.randint(0, 6)):
            self.rng.choice([self.look, self.progress])()
        self.edit(**before)

    def _edit_execution(self) -> None:
        field, values = self.rng.choice(
            [("suspend", [True, False]), ("parallelism", [0, 1, 2]), ("retry_token", ["a", "b", "c"])]
        )
        self.edit(**{field: self.rng.choice(values)})

    def _edit_budget(self) -> None:
        self.tight = not self.tight
        self.edit()

    def _kill_operator(self) -> None:
        self.look(killed_after=self.rng.randint(0, 2))

    def _lose_api_server(self) -> None:
        """It goes away while the operator looks, or between two of its actions."""
        self.cluster.answers = self.rng.randint(0, 4)
        self.look()
        self.cluster.answers = None

    def _lose_status(self) -> None:
        self.look(status_lost=True)

    def _outage(self) -> None:
        self.store.away = not self.store.away

    def _tamper(self, change: Callable[[str], None]) -> None:
        keys = [] if self.store.away else self.results()
        if keys:
            change(self.rng.choice(keys))
            self.tampered = self.tampered or self.settled_at == self.generation

    def _delete_result(self) -> None:
        self._tamper(self.store.delete)

    def _damage_result(self) -> None:
        self._tamper(lambda key: self.store.damage(key, self.rng.choice(DAMAGES)))

    def _delete_job(self) -> None:
        if self.cluster.jobs:
            self.cluster.delete(self.rng.choice(sorted(self.cluster.jobs)))

    def _evict(self) -> None:
        living = sorted(pod.name for pod in self.cluster.pods.values() if pod.code is None)
        if living:
            self.cluster.pods[self.rng.choice(living)].terminating = True

    def faults(self) -> list[Callable[[], None]]:
        """All that may happen."""
        return [
            self.edit_spec,
            self._edit_and_back,
            self._edit_execution,
            self._edit_budget,
            self._kill_operator,
            self._lose_api_server,
            self._lose_status,
            self._outage,
            self._delete_result,
            self._damage_result,
            self._delete_job,
            self._evict,
        ]
