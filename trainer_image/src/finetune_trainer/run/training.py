"""Hugging Face's Trainer with what a run needs: all dev sets evaluated, best weights in memory, checkpoints on time.

No checkpoint is written at an evaluation; a resumable one is saved at intervals and when the process is told to stop.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from accelerate.data_loader import prepare_data_loader
from safetensors.torch import save_file
from transformers.utils import SAFE_WEIGHTS_NAME

from finetune_core.planning.settings import Settings
from finetune_trainer.data.tokens import Collator, TokenDataset, Tokens
from finetune_trainer.errors import RunError, StoppedError
from finetune_trainer.measure.finite import LossWatch
from finetune_trainer.model.layers import depths
from finetune_trainer.model.trained import frozen_names, trained_state
from finetune_trainer.ranks import ALONE, Ranks
from finetune_trainer.run.arguments import training_arguments
from finetune_trainer.run.callbacks import Agreement
from finetune_trainer.run.class_weights import WeightedLoss
from finetune_trainer.run.sampling import EpochSampler, StepBatches

Evaluate = Callable[[Any], dict[str, float]]
Done = TypeVar("Done")


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
        ranks: Ranks = ALONE,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        # Our models take the count of examples in a step and do not divide their loss by it; left on, accumulated
        # passes add up to so many times the gradient. Each pass counts by its examples here, see `compute_loss`.
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = True
        self._mass_of_step: torch.Tensor | float | None = None
        self._own = 1
        self._weighted = weighted
        self._evaluate_all = evaluate
        self._losses = losses
        self._tokens = tokens
        self._ranks = ranks
        share = self.args.train_batch_size * self.args.gradient_accumulation_steps
        batch = share * ranks.count
        order = EpochSampler(tokens.lengths.tolist(), batch_size=batch, seed=order_seed)
        self._batches = StepBatches(order, batch_size=batch, pass_size=self.args.train_batch_size, ranks=ranks)
        self._lr_decay = lr_decay
        self._vary_chance()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """All metrics over all dev sets, with `eval_` before their names; callbacks see them once.

        DivergedError if a loss since the last evaluation, or a logit now, is not finite.
        """
        self._losses.check()
        # The first process alone knows them all.
        found = self._ranks.told(self._evaluate_all(self.model))
        metrics = {f"eval_{name}": value for name, value in found.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def get_train_dataloader(self) -> Any:
        """This process' batches, on its device."""
        loader: Any = torch.utils.data.DataLoader(
            TokenDataset(self._tokens),
            batch_sampler=self._batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        # They are shared out already: told of one process, accelerate shares out nothing.
        return prepare_data_loader(
            loader, device=self.accelerator.device, num_processes=1, process_index=0, put_on_device=True
        )

    def get_batch_samples(self, *arguments: Any, **named: Any) -> tuple[list[Any], Any]:
        """As Trainer's; what the passes of a step count together, in all processes, is remembered."""
        passes, count = super().get_batch_samples(*arguments, **named)
        self._mass_of_step, self._own = self._batches.shares(self.state.global_step)
        if self._weighted is not None:
            # The labels of others' examples are not known here.
            self._mass_of_step = self._ranks.total(sum(map(self._mass, passes)), self.args.device)
        return passes, count

    def _mass(self, batch: Any) -> torch.Tensor | float:
        """What a pass counts in its step: its examples, each by the weight of its label."""
        if not self._own:
            return 0.0
        return len(batch["input_ids"]) if self._weighted is None else self._weighted.mass(batch["labels"])

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """The pass's share of the step's mean loss: an epoch's last step can have passes of different sizes.

        Processes' gradients are averaged, so that shares of theirs add up to as many as there are processes.
        """
        # Outside of a step a batch is all that there is.
        whole = self._mass_of_step
        share = 1.0 if whole is None else self._ranks.count * self._mass(inputs) / whole
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

    def go_on(self, folder: Path | None, ended: bool) -> None:
        """Train to the end, from a checkpoint if there is one; where nothing is left to train, take its weights."""
        if folder is not None and ended:
            # Trainer would take one more step before it looks.
            self._load_from_checkpoint(str(folder))
        else:
            self.train(resume_from_checkpoint=str(folder) if folder else None)

    def saving_state(self, work: Callable[[], Done]) -> Done:
        """What comes of work after the last step; told to stop, a checkpoint is saved for the next attempt.

        StoppedError then.
        """
        try:
            return work()
        except StoppedError:
            assert self.model is not None  # Trainer's type allows for a model that is made later
            self._save_checkpoint(self.model, trial=None)
            self.control = self.callback_handler.on_save(self.args, self.state, self.control)
            raise

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
        self._ranks.wait()

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(checkpoint)
        file = f"rng_state_{self._ranks.rank}.pth" if self._ranks.count > 1 else "rng_state.pth"
        if checkpoint is not None and not (Path(checkpoint) / file).exists():
            # It was saved by another number of processes. What chance decides then is no repetition of what it was.
            self._vary_chance(self.state.global_step)

    def _vary_chance(self, step: int = 0) -> None:
        """Dropout differs between processes; the first one's is that of a process alone."""
        if self._ranks.rank or step:
            transformers.set_seed((self.args.seed + 1_000_003 * (self._ranks.rank + step * self._ranks.count)) % 2**32)


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
    ranks: Ranks = ALONE,
) -> RunTrainer:
    """The Trainer of one run, or of a process' part of it; UserError as `training_arguments`."""
    arguments = training_arguments(settings, folder=folder, seed=seed, processes=ranks.count)
    trainer = RunTrainer(
        evaluate=evaluate,
        tokens=tokens,
        order_seed=seed,
        losses=LossWatch(settings.precision, ranks),
        lr_decay=settings.layerwise_lr_decay,
        weighted=weighted,
        ranks=ranks,
        model=model,
        args=arguments,
        train_dataset=TokenDataset(tokens),
        eval_dataset=TokenDataset(tokens),
        data_collator=collator,
        callbacks=[*callbacks, *([Agreement(ranks)] if ranks.count > 1 else [])],
    )
    for unwanted in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(unwanted)
    return trainer
