"""A further process of a run: it trains, evaluates and predicts its share.

It asks the first process (`finetune_trainer.run.run`) in the order in which that one tells, and writes nothing.
"""

from typing import Any

from finetune_core.planning.plan import PlannedRun
from finetune_trainer.errors import StoppedError
from finetune_trainer.run.preparing import Preparation
from finetune_trainer.run.progress import Clock
from finetune_trainer.run.run import Pod
from finetune_trainer.run.training import make_trainer
from finetune_trainer.sparse import SparsityGuard
from finetune_trainer.stored import publish


class Follower:
    """Takes part in one attempt at one run."""

    def __init__(self, pod: Pod, planned: PlannedRun) -> None:
        self._pod = pod
        self._planned = planned
        self._folder = pod.work / "runs" / planned.run_id

    def execute(self) -> None:
        """Until the run needs this process no more; RunError (of some kind) if its part fails or it is told to stop."""
        pod, ranks = self._pod, self._pod.ranks
        pod.inputs.take_over(ranks.told(pod.inputs.found()))
        task = pod.plan.tasks[self._planned.task]
        # Time and signals are the first process' matter.
        clock = Clock(before=0, timeout=None, attempts=1, stopped=lambda: False)
        prepared = Preparation(pod.plan.model, task, pod.inputs, pod.splits, clock, self._planned.fold, ranks)
        prepared.read_data()
        prepared.load_model(self._planned.seed)
        model, head, assessor = prepared.model, prepared.head, prepared.assessor

        def evaluate(current: Any) -> dict[str, float]:
            return assessor.evaluate(current, head, prepared.dev, trainer.compute_loss_context_manager)[0]

        trainer = make_trainer(
            task.settings,
            model=model,
            tokens=prepared.train,
            collator=assessor.collate(model, prepared.train, head),
            evaluate=evaluate,
            callbacks=SparsityGuard(model).callbacks,
            folder=self._folder,
            seed=self._planned.seed,
            weighted=prepared.weigh(),
            ranks=ranks,
        )
        trainer.go_on(*ranks.told((None, False)))
        if ranks.told(False):
            raise StoppedError("told to stop")
        ranks.same_weights(model)
        if pod.plan.predict:
            trainer.saving_state(
                lambda: assessor.predict(
                    model, head, trainer.compute_loss_context_manager, self._folder / publish.PREDICTIONS
                )
            )
