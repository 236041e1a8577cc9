"""One Tuner over the trials, or the finalists, of a task."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ray import tune

from finetune_core.plan import ExecutionLimits
from finetune_core.search.layout import TrialKind
from finetune_core.search.trials import TrialResult
from finetune_store import Store
from finetune_trainer.rays import Slots
from finetune_trainer.search.board import Board
from finetune_trainer.search.claimant import Claimant
from finetune_trainer.search.leases import Leases
from finetune_trainer.search.ledger import Ledger
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.schedulers import make_scheduler
from finetune_trainer.search.searcher import GoalStopper, StoreSearcher
from finetune_trainer.search.trainable import TrialTrainable, Work
from finetune_trainer.signals import Stop

_LOST_PROCESSES = 3
"""How often a trial whose process died is started again; it goes on from its checkpoint."""


@dataclass(frozen=True)
class Means:
    """What a driver works with."""

    store: Store
    uri: str
    limits: ExecutionLimits
    driver: str
    cluster: int
    leases: Leases
    slots: Slots
    stop: Stop
    stop_file: Path
    patience: float


def tune_phase(
    means: Means,
    phase: Phase,
    is_over: Callable[[list[TrialResult]], bool],
    running: Callable[[Board], None],
) -> Board:
    """Work until nothing is left to do here, or told to stop; the board as it is then.

    UserError if model or data cannot be used; StoreError. `running` is given the board, to tell what is being run.
    """
    board = Board(means.store, phase, means.leases, driver=means.driver, cluster=means.cluster)
    running(board)

    def results() -> list[TrialResult]:
        return list(board.results.values())

    scheduler = make_scheduler(phase.scheduler, phase.plan.asha, greater_is_better=phase.searched.greater_is_better)
    searcher = StoreSearcher(
        phase=phase,
        board=board,
        claimant=Claimant(board, phase, lambda: is_over(results())),
        ledger=Ledger(means.store, phase, board),
        scheduler=scheduler,
        slots=means.slots.count,
        stop=means.stop,
    )
    goal = phase.searched.goal if phase.kind == TrialKind.TRIALS else None
    with tempfile.TemporaryDirectory(prefix="tune-") as folder:
        tuner = tune.Tuner(
            _trainable(means, phase),
            tune_config=tune.TuneConfig(search_alg=searcher, scheduler=scheduler, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(
                name=phase.task,
                storage_path=folder,
                stop=GoalStopper(phase, results, goal=goal),
                # Runs keep their own checkpoints; Tune's are none of our business.
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=_LOST_PROCESSES),
                verbose=0,
            ),
        )
        tuner.fit()
    if searcher.unusable is not None:
        raise searcher.unusable
    board.refresh()
    return board


def _trainable(means: Means, phase: Phase) -> type[TrialTrainable]:
    work = Work(
        plan=phase.plan,
        task=phase.task,
        seeds=phase.seeds,
        limits=means.limits,
        store=means.uri,
        driver=means.driver,
        stop_file=str(means.stop_file),
        patience=means.patience,
    )
    resources = {"cpu": means.slots.cpus, "gpu": means.slots.gpus}
    with_work = tune.with_parameters(TrialTrainable, work=work)
    made: type[TrialTrainable] = tune.with_resources(with_work, resources)
    return made
