"""Hugging Face's Trainer with what a run needs: all dev sets evaluated, best weights in memory, checkpoints on time.

No checkpoint is written at an evaluation; a resumable one is saved at intervals and when the process is told to stop.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers.utils import SAFE_WEIGHTS_NAME

from finetune_core.api import Precision
from finetune_core.planning.settings import Settings
from finetune_core.results.evaluation import Evaluation
from finetune_trainer.data.tokens import Collator, TokenDataset, Tokens
from finetune_trainer.errors import RunError, UserError
from finetune_trainer.model.layers import depths
from finetune_trainer.model.trained import frozen_names, trained_state
from finetune_trainer.run.best import Best
from finetune_trainer.run.checkpoints import Checkpoints
from finetune_trainer.run.class_weights import WeightedLoss
from finetune_trainer.run.finite import LossWatch
from finetune_trainer.run.pace import Pace
from finetune_trainer.run.progress import Clock, Reporter
from finetune_trainer.run.sampling import EpochSampler
from finetune_trainer.sparse import SparsityGuard

Evaluate = Callable[[Any], dict[str, float]]


class RunTrainer(transformers.Trainer):
    """A Trainer whose evaluation and order of examples are ours."""

    def __init__(
        self,
        *,
        evaluate: Evaluate,
        tokens: Tokens,
        order_seed: int,
        losses: LossWatch,
        lr_decay: float = 1,
        weighted: WeightedLoss | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        # Our models take the count of examples in a step and do not divide their loss by it; left on, accumulated
        # passes add up to so many times the gradient. Each pass counts by its examples here, see `compute_loss`.
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = True
        self._mass_of_step: torch.Tensor | float | None = None
        self._weighted = weighted
        self._evaluate_all = evaluate
        self._losses = losses
        self._tokens = tokens
        self._order_seed = order_seed
        self._lr_decay = lr_decay

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """All metrics over all dev sets, with `eval_` before their names; callbacks see them once.

        DivergedError if a loss since the last evaluation, or a logit now, is not finite.
        """
        self._losses.check()
        metrics = {f"eval_{name}": value for name, value in self._evaluate_all(self.model).items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def get_batch_samples(self, *arguments: Any, **named: Any) -> tuple[list[Any], Any]:
        """As Trainer's; what the passes of a step count together is remembered."""
        passes, count = super().get_batch_samples(*arguments, **named)
        self._mass_of_step = sum(map(self._mass, passes))
        return passes, count

    def _mass(self, batch: Any) -> torch.Tensor | float:
        """What a pass counts in its step: its examples, each by the weight of its label."""
        return len(batch["input_ids"]) if self._weighted is None else self._weighted.mass(batch["labels"])

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """The pass's share of the step's mean loss: an epoch's last step can have passes of different sizes."""
        # Outside of a step a batch is all that there is.
        share = 1.0 if self._mass_of_step is None else self._mass(inputs) / self._mass_of_step
        if self._weighted is not None:
            logits = model(**{name: value for name, value in inputs.items() if name != "labels"}).logits
            return self._weighted(logits, inputs["labels"]) * share
        loss: Any = super().compute_loss(model, inputs, *arguments, **named)
        return loss * share

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        """As Trainer's; what the loss is at this step is remembered."""
        loss: torch.Tensor = super().training_step(*arguments, **named)
        self._losses.note(loss, self.state.global_step + 1)
        return loss

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        """As Trainer's, with a learning rate that falls with depth where the settings say so."""
        if self._lr_decay == 1 or self.optimizer is not None:
            return super().create_optimizer()
        model: Any = self.model
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, model)
        self.optimizer = kind(self._groups(), **options)
        return self.optimizer

    def _groups(self) -> list[dict[str, Any]]:
        """A group for each depth and weight decay, the head's first: its learning rate is the one that is logged."""
        model: Any = self.model
        decayed, deep = set(self.get_decay_parameter_names(model)), depths(model)
        groups: dict[tuple[int, bool], list[Any]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((deep[name], name not in decayed), []).append(parameter)
        return [
            {
                "params": groups[depth, plain],
                "weight_decay": 0.0 if plain else self.args.weight_decay,
                "lr": self.args.learning_rate * self._lr_decay**depth,
            }
            for depth, plain in sorted(groups)
        ]

    def save_state(self) -> None:
        """A checkpoint outside of training: of a run that is told to stop after its last step."""
        assert self.model is not None  # Trainer's type allows for a model that is made later
        self._save_checkpoint(self.model, trial=None)
        self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    def load_state(self, folder: Path) -> None:
        """The weights of a checkpoint of a run that has nothing left to train."""
        self._load_from_checkpoint(str(folder))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # By the model's own names: Trainer takes no others back, and leaves out in silence what a hub names otherwise.
        model: Any = self.model
        if frozen_names(model):
            # The rest comes from the pretrained model again. Copies: tied weights are one tensor under two names.
            state = {name: one.clone().contiguous() for name, one in trained_state(model).items()}
            folder = Path(str(output_dir or self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            save_file(state, folder / SAFE_WEIGHTS_NAME)
            return
        model.save_pretrained(output_dir, state_dict=state_dict, save_original_format=False)

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """RunError if a checkpoint gave the model not all of its weights; those that are tied lie in it once."""
        model: Any = self.model
        tied = model.all_tied_weights_keys
        lost = sorted(
            {*load_result.missing_keys} - {*tied, *tied.values()} - frozen_names(model) | {*load_result.unexpected_keys}
        )
        if lost:
            raise RunError(
                f"the run's checkpoint does not fit its model ({len(lost)} weights, {lost[0]} for one): delete it in "
                "the store, and the run begins anew"
            )

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        # The next attempt would not know at which step it began.
        self._losses.check()
        super()._save_checkpoint(*arguments, **named)

    def _get_train_sampler(self, *_: Any) -> EpochSampler:
        batch = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return EpochSampler(self._tokens.lengths.tolist(), batch_size=batch, seed=self._order_seed)


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


def make_trainer(
    settings: Settings,
    *,
    model: Any,
    tokens: Tokens,
    collator: Collator,
    evaluate: Evaluate,
    callbacks: list[transformers.TrainerCallback],
    folder: Path,
    seed: int,
    weighted: WeightedLoss | None = None,
) -> RunTrainer:
    """The Trainer of one run; UserError if the hardware lacks the precision."""
    arguments = training_arguments(settings, folder=folder, seed=seed)
    trainer = RunTrainer(
        evaluate=evaluate,
        tokens=tokens,
        order_seed=seed,
        losses=LossWatch(settings.precision),
        lr_decay=settings.layerwise_lr_decay,
        weighted=weighted,
        model=model,
        args=arguments,
        train_dataset=TokenDataset(tokens),
        eval_dataset=TokenDataset(tokens),
        data_collator=collator,
        callbacks=callbacks,
    )
    for unwanted in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(unwanted)
    return trainer


def training_arguments(settings: Settings, *, folder: Path, seed: int) -> transformers.TrainingArguments:
    """Our settings in Hugging Face's terms; the global batch is cut into device batches and accumulation steps."""
    devices = max(1, torch.cuda.device_count())
    device_batch, accumulation = split_batch(settings, devices)
    warmup = settings.warmup_steps if settings.warmup_steps is not None else settings.warmup_ratio or 0.0
    _require_precision(settings.precision)
    return transformers.TrainingArguments(
        output_dir=str(folder),
        **settings.hugging_face(),
        seed=seed,
        data_seed=seed,
        per_device_train_batch_size=device_batch,
        gradient_accumulation_steps=accumulation,
        warmup_steps=min(warmup, 1 - 1e-9) if settings.warmup_steps is None else warmup,
        bf16=settings.precision == Precision.BF16,
        fp16=settings.precision == Precision.FP16,
        eval_strategy="steps",
        logging_strategy="steps",
        logging_steps=settings.eval_steps,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        log_level="error",
    )


def split_batch(settings: Settings, devices: int) -> tuple[int, int]:
    """(examples a device and pass, passes a step) whose product over the devices is the global batch.

    UserError if the global batch cannot be cut evenly.
    """
    total = settings.train_batch_size
    if total % devices:
        raise UserError(f"training.trainBatchSize {total} is no multiple of the {devices} GPUs: change one of them")
    share = total // devices
    most = min(share, settings.per_device_train_batch_size or share)
    size = next(size for size in range(most, 0, -1) if share % size == 0)
    return size, share // size


def _require_precision(precision: Precision) -> None:
    if precision == Precision.FP16 and not torch.cuda.is_available():
        raise UserError("training.precision fp16 needs a GPU: use bf16 or fp32 on a CPU")
    lacks_bf16 = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == Precision.BF16 and lacks_bf16:
        raise UserError(f"{torch.cuda.get_device_name()} has no bf16: set training.precision to fp16 or fp32")
