"""The trials of a phase as they lie in the store: who has claimed which, which have ended."""

import re
from dataclasses import dataclass

from finetune_core.planning.settings import Config
from finetune_core.results.search.trial import Claim, TrialResult
from finetune_store import Store, documents, relative_key
from finetune_trainer.search.leases import Leases, now
from finetune_trainer.search.phase import Phase

_KEY = re.compile(r"(?P<index>\d+)/(?:result|claims/(?P<claim>\d+))\.json")


@dataclass(frozen=True)
class Claimed:
    """The newest claim of a trial: its number, and what it says (None where that cannot be read)."""

    number: int
    claim: Claim | None


class TrialStore:
    """A view of the store, as of the last `refresh`. Claims and results never change, so each is read once."""

    def __init__(self, store: Store, phase: Phase, leases: Leases, *, driver: str, cluster: int) -> None:
        self._store = store
        self._phase = phase
        self._leases = leases
        self._driver = driver
        self._cluster = cluster
        self.results: dict[int, TrialResult] = {}
        self.claims: dict[int, Claimed] = {}
        self.running: set[int] = set()
        """Trials that this driver runs now."""

    @property
    def me(self) -> tuple[str, int]:
        """This driver and its cluster."""
        return self._driver, self._cluster

    def refresh(self) -> None:
        """Look at the store. StoreError."""
        newest: dict[int, int] = {}
        ended: list[int] = []
        for info in self._store.list(self._phase.folder):
            found = _KEY.fullmatch(relative_key(info.key, self._phase.folder))
            if found is None:
                continue
            place, number = int(found["index"]), found["claim"]
            if number is None:
                ended.append(place)
            else:
                newest[place] = max(int(number), newest.get(place, 0))
        for index in ended:
            result = None if index in self.results else self._result(index)
            if result is not None:
                self.results[index] = result
        for index, last in newest.items():
            known = self.claims.get(index)
            if index not in self.results and (known is None or known.number < last):
                self.claims[index] = Claimed(last, self._claim(index, last))

    def _result(self, index: int) -> TrialResult | None:
        """None where there is none that can be read: the trial is done again."""
        place, task = self._phase.trial(index), self._phase.task
        return documents.find_or_set_aside(
            self._store,
            place.result,
            TrialResult,
            place.unreadable(self._driver),
            own=lambda result: result.is_of(task, index),
        )

    def _claim(self, index: int, number: int) -> Claim | None:
        return documents.find_or_warn(self._store, self._phase.trial(index).claim(number), Claim)

    def held(self) -> dict[int, Config]:
        """Trials without a result whose driver lives, with their configurations."""
        return {
            index: claimed.claim.config
            for index, claimed in self.claims.items()
            if index not in self.results and claimed.claim is not None and self._is_held(index, claimed.claim)
        }

    def _is_held(self, index: int, claim: Claim) -> bool:
        return index in self.running if claim.driver == self._driver else self._leases.alive(claim.driver)

    def take(self, index: int, config: Config) -> bool:
        """Claim a trial; whether this driver, and no other, has got it."""
        known = self.claims.get(index)
        number = 0 if known is None else known.number + 1
        claim = Claim(driver=self._driver, cluster=self._cluster, config=config, time=now())
        if not self._store.create(self._phase.trial(index).claim(number), claim.to_json()):
            return False
        self.claims[index] = Claimed(number, claim)
        self.running.add(index)
        return True

    def record(self, result: TrialResult) -> TrialResult:
        """Write how a trial ended; the result that stays: another driver may have been first."""
        key = self._phase.trial(result.index).result
        if not self._store.create(key, result.to_json()):
            first = self._result(result.index)
            if first is None:
                return self.record(result)
            result = first
        self.results[result.index] = result
        self.running.discard(result.index)
        return result

    def running_names(self) -> tuple[str, ...]:
        """What this driver runs, as folders: `trials/rte/00003`."""
        root = f"{self._phase.layout.root}/"
        return tuple(self._phase.trial(index).root.removeprefix(root) for index in sorted(self.running.copy()))

    def give_up(self, index: int) -> None:
        """This driver no longer runs the trial, which has no result."""
        self.running.discard(index)
