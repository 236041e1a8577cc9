"""What happens between the steps of a run: in its first process all that is decided, in others what that one says."""

import time
from pathlib import Path
from typing import Any

import transformers

from finetune_core.results.evaluation import Evaluation
from finetune_trainer.ranks import Ranks
from finetune_trainer.run.best import Best
from finetune_trainer.run.pace import Pace
from finetune_trainer.run.progress import Clock, Reporter
from finetune_trainer.sparse import SparsityGuard
from finetune_trainer.stored.checkpoints import Checkpoints


class RunCallback(transformers.TrainerCallback):
    """Evaluates at the last step, keeps the best, tells progress, saves checkpoints, heeds signals and timeouts."""

    def __init__(
        self,
        *,
        best: Best,
        clock: Clock,
        reporter: Reporter,
        checkpoints: Checkpoints,
        zeros: SparsityGuard,
        interval_seconds: int,
        pace: Pace,
    ) -> None:
        self._best = best
        self._clock = clock
        self._reporter = reporter
        self._checkpoints = checkpoints
        self._zeros = zeros
        self._interval = interval_seconds
        self._saved_at = time.monotonic()
        self._pace = pace

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Time is counted from here."""
        self._saved_at = time.monotonic()
        self._pace.begin(self._saved_at)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Decide what happens after this step."""
        self._pace.stepped(time.monotonic())
        self._tell(state)
        self._clock.check(signals=False)
        if state.global_step >= state.max_steps:
            control.should_evaluate = True
        self._decide(control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the best; a line in metrics.jsonl."""
        self._pace.evaluated(time.monotonic())
        self._tell(state)
        values = {name.removeprefix("eval_"): value for name, value in kwargs["metrics"].items()}
        self._best.offer(state.global_step, values, kwargs["model"])
        rate = next((log["learning_rate"] for log in reversed(state.log_history) if "learning_rate" in log), None)
        loss = next((log["loss"] for log in reversed(state.log_history) if "loss" in log), None)
        zeros = self._zeros.census(f"at step {state.global_step}")
        self._reporter.evaluation(
            Evaluation(
                step=state.global_step,
                epoch=round(state.epoch or 0.0, 4),
                learning_rate=rate,
                train_loss=loss,
                sparsity=zeros and zeros.sparsity,
                non_zero_parameters=zeros and zeros.non_zero_parameters,
                metrics=values,
            )
        )
        if self._best.exhausted:
            control.should_training_stop = True
        self._decide(control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint lies in the local folder: complete it and send it."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self._best.save(folder, self._reporter.evaluations)
        self._checkpoints.save(folder, state.global_step)
        self._saved_at = time.monotonic()
        self._pace.begin(self._saved_at)
        self._tell(state, force=True)

    def _decide(self, control: Any) -> None:
        due = time.monotonic() - self._saved_at >= self._interval
        if self._clock.stopping:
            control.should_training_stop = True
        if self._clock.stopping or (due and not control.should_training_stop):
            control.should_save = True

    def _tell(self, state: Any, *, force: bool = False) -> None:
        left = self._pace.left(state.global_step, state.max_steps)
        self._reporter.progress(state.global_step, state.max_steps, left, force=force)


class Agreement(transformers.TrainerCallback):
    """The last callback of each process of a run: what the first one has decided holds for all."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Whether to evaluate, save, stop."""
        self._agree(control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Whether to save, stop."""
        self._agree(control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The first process sends the checkpoint; none ends before."""
        self._ranks.wait()

    def _agree(self, control: Any) -> None:
        decided = self._ranks.told((control.should_evaluate, control.should_save, control.should_training_stop))
        control.should_evaluate, control.should_save, control.should_training_stop = decided
