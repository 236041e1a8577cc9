"""A campaign: an undisturbed experiment and search, then rounds of disturbed ones until the time is over."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field

from chaos.check_course import check_course
from chaos.check_orphans import check_gone, check_settled
from chaos.check_results import check_calm, check_ending
from chaos.damage import AIMS
from chaos.deck import Deck
from chaos.faults import Fault, Phase
from chaos.inject import Scene, inject
from chaos.look import NO_ANSWER
from chaos.observed import Ending, Look, Violation
from chaos.subjects import FEWER_RUNS, MORE_RUNS, Subject, experiment_spec, search_spec
from chaos.summary import Injected, with_progress
from chaos.watch import Watch
from e2e.harness import Experiment, Search
from finetune_dev.errors import DevError
from finetune_store import Store

_MOST_FAULTS = 7
"""Of one round: it has to come to its end while faults are still to come."""
_PHASE_SECONDS = 240
_END_SECONDS = 900
_SETTLE_SECONDS = 240
_GOOD = {"AllRunsSucceeded", "AllTrialsEnded"}


@dataclass
class Campaign:
    """The state of a campaign."""

    watch: Watch
    store: Store
    deck: Deck
    minutes: float
    longest: float
    """Seconds of an outage, at most."""
    scene: Scene
    calm: tuple[Ending, Ending] | None = None
    injected: list[Injected] = field(default_factory=list)
    found: list[Violation] = field(default_factory=list)
    rounds: int = 0
    until: float = 0
    """When the faults end: `minutes` after the undisturbed round, which takes as long as the machine is slow."""

    def run(self) -> None:
        """All of it."""
        self.calm = self._round("calm", 0)
        for ending in self.calm:
            self._report(check_calm(ending))
        self.until = self.scene.eyes.now() + 60 * self.minutes
        while self.scene.eyes.now() < self.until:
            self.rounds += 1
            self._round(f"storm-{self.rounds}", _MOST_FAULTS)
        self._report(check_course(self.watch.looks, self.scene.tampered))

    def recovered(self) -> list[Injected]:
        """The faults so far, with how long recovery took."""
        return [with_progress(one, self.watch.looks) for one in self.injected]

    def _round(self, name: str, most: int) -> tuple[Ending, Ending]:
        self._begin(name, MORE_RUNS if self.calm is None else FEWER_RUNS)
        for fault in self.deck.hand(most):
            if self._over() or self.scene.eyes.now() > self.until:
                break
            self._strike(fault)
        self._await_end()
        endings = self._ending(self.scene.experiment), self._ending(self.scene.search)
        for ending, calm in zip(endings, self.calm or endings, strict=True):
            self._report(check_ending(ending, calm))
        self._settle()
        return endings

    def _begin(self, name: str, runs: int) -> None:
        namespace = self.scene.eyes.namespace
        suite, search = Experiment(namespace, name, self.store), Search(namespace, f"{name}-search", self.store)
        self.scene.experiment = Subject(suite, experiment_spec(runs), runs)
        self.scene.search = Subject(search, search_spec())
        self.watch.write(round=name)
        for subject in self._subjects():
            subject.apply()

    def _subjects(self) -> tuple[Subject, Subject]:
        return self.scene.experiment, self.scene.search

    def _over(self) -> bool:
        look = self._fresh()
        return all(subject.finished(look) for subject in self._subjects())

    def _fresh(self) -> Look:
        """A look that began after now."""
        now = self.scene.eyes.now()
        while not self.watch.looks or self.watch.looks[-1].at < now:
            self.watch.require()
            time.sleep(0.1)
        return self.watch.looks[-1]

    def _strike(self, fault: Fault) -> None:
        began = self.scene.eyes.now()
        try:
            self._await_phase(fault)
            time.sleep(fault.delay)
            began = self.scene.eyes.now()
            self.watch.write(fault=asdict(fault))
            hit = inject(self.scene, fault)
        except (*NO_ANSWER, DevError) as error:
            # The cluster, still weak from the fault before, does not take this one.
            self.watch.write(not_injected=fault.kind, error=str(error)[:300])
            hit = ""
        self.watch.write(over=fault.kind, hit=hit)
        if not hit:
            self.deck.missed(fault)
        else:
            self.deck.hit(fault)
            folders = tuple(f"{subject.handle.layout.root}/" for subject in self._subjects())
            self.injected.append(Injected(fault, hit, folders, began, self.scene.eyes.now()))

    def _await_phase(self, fault: Fault) -> None:
        subject = self.scene.subject(fault)
        if fault.phase is Phase.RESOLVING:
            # Another token has the inputs looked at again.
            subject.renew_token()
            return
        until = self.scene.eyes.now() + _PHASE_SECONDS
        while self.scene.eyes.now() < until and not self._is_in(fault, subject):
            time.sleep(0.2)

    def _is_in(self, fault: Fault, subject: Subject) -> bool:
        look = self._fresh()
        if subject.finished(look):
            return True
        if fault.kind in AIMS and not _damageable(fault, subject, look):
            return False
        wanted = "Reporting" if fault.phase is Phase.REPORTING else "Running"
        return subject.reason(look) == wanted

    def _await_end(self) -> None:
        self._wait("the end", self._over, _END_SECONDS + self.longest)
        for subject in self._subjects():
            self._heal(subject)
            if (said := subject.reason(self._fresh())) not in _GOOD:
                told = f"{subject.handle.name} ended as {said}: {subject.message(self._fresh())}"
                self._report([Violation("each run one result", told)])

    def _heal(self, subject: Subject) -> None:
        """What is damaged after the end is not noticed until the spec changes (decision 31): so it changes."""
        root = f"{subject.handle.layout.root}/"
        gone = [key for key in self.scene.tampered.keys if key.startswith(root) and not self.scene.eyes.document(key)]
        if gone and self._damaged_late(gone, subject):
            self.watch.write(renewed=subject.handle.name, damaged=gone)
            subject.renew_token()
            self._wait("the end after a renewed token", self._over, _END_SECONDS)

    def _damaged_late(self, gone: list[str], subject: Subject) -> bool:
        """Whether the subject reported already, or had ended, when the last damage was done."""
        when = max(self.scene.tampered.keys[key] for key in gone)
        before = [look for look in self.watch.looks if look.at <= when and look.owners is not None]
        return subject.last_reason(before[-1]) in {"Reporting", *_GOOD}

    def _wait(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        until = self.scene.eyes.now() + seconds
        while not condition():
            if self.scene.eyes.now() > until:
                self._report([Violation("comes to its end", f"{what} did not come within {seconds:.0f} s")])
                return

    def _ending(self, subject: Subject) -> Ending:
        """Once the store answers: it may have been away until just now."""
        until = self.scene.eyes.now() + _SETTLE_SECONDS
        while True:
            try:
                return self._seen_ending(subject)
            except NO_ANSWER:
                if self.scene.eyes.now() > until:
                    raise
                time.sleep(1)

    def _seen_ending(self, subject: Subject) -> Ending:
        name, eyes = subject.handle.name, self.scene.eyes
        exported = {} if subject.runs else eyes.config_map(f"{name}-hyperparameters")
        status, documents, digests = subject.status(self._fresh()), eyes.below(name), eyes.digests(name)
        return Ending(name, status, documents, digests, exported, subject.runs)

    def _settle(self) -> None:
        """Nothing is left over: not when all has ended, and not when all is deleted."""
        self._eventually(check_settled)
        for subject in self._subjects():
            subject.handle.delete()
        self._eventually(check_gone)

    def _eventually(self, check: Callable[[Look], Iterator[Violation]]) -> None:
        """Kubernetes' garbage collector takes its time."""
        until = self.scene.eyes.now() + _SETTLE_SECONDS
        while (left := list(check(self._complete()))) and self.scene.eyes.now() < until:
            time.sleep(1)
        self._report(left)

    def _complete(self) -> Look:
        while True:
            look = self._fresh()
            if look.children is not None and look.owners is not None:
                return look

    def _report(self, found: Iterable[Violation]) -> None:
        new = list(found)
        self.found += new
        for violation in new:
            self.watch.write(violation=str(violation))
        for subject in self._subjects() if new else ():
            self.watch.write(describe=subject.handle.describe())


def _damageable(fault: Fault, subject: Subject, look: Look) -> list[str]:
    """What a damage could hit now."""
    root, aim = f"{subject.handle.layout.root}/", AIMS[fault.kind]
    return [key for key in look.keys or () if key.startswith(root) and aim in key]
