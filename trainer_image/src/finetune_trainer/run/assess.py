"""The tokenised splits of a run, and its model measured on the dev sets and applied to the test sets."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from finetune_core.planning.plan import TaskPlan
from finetune_core.results.run import DevPredictionFile, PredictionFile
from finetune_trainer.data.padding import settle_padding
from finetune_trainer.data.splits import Splits
from finetune_trainer.data.tested import available_splits, prediction_files
from finetune_trainer.data.tokens import Collator, Tokens
from finetune_trainer.errors import StoppedError
from finetune_trainer.measure.answers import Answers, answers_of, too_many, write_answers
from finetune_trainer.measure.finite import require_finite
from finetune_trainer.measure.metrics import measure
from finetune_trainer.measure.own_metrics import OwnMetrics
from finetune_trainer.measure.predict import predict_logits, write_predictions
from finetune_trainer.measure.predicted import Logits
from finetune_trainer.model.fits import needs_all_splits, require_blind_to_padding, require_fit, require_length
from finetune_trainer.model.loading import Head
from finetune_trainer.model.pairs import pair_warnings
from finetune_trainer.ranks import ALONE, Ranks
from finetune_trainer.run.progress import Clock

Autocast = Callable[[], AbstractContextManager[Any]]
"""The context that a forward pass runs in, by the run's precision."""


class Assessor:
    """Data of one run for one tokenizer; `sources` says where tokenised splits came from."""

    def __init__(
        self,
        task: TaskPlan,
        splits: Splits,
        tokenizer: Any,
        tokenizer_digest: str,
        clock: Clock,
        fold: int | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._task = task
        self._fold = fold
        self._ranks = ranks
        self._splits = splits
        self._tokenizer = tokenizer
        self._tokenizer_digest = tokenizer_digest
        self._clock = clock
        self.sources: set[str] = set()

    def load(self, split: str) -> Tokens:
        """A tokenised split."""
        tokens = self._splits.load(self._task, split, self._tokenizer, self._tokenizer_digest, self._fold)
        self.sources.add(self._splits.last_source)
        return tokens

    def require_fit(self, model: Any, train: Tokens, dev: dict[str, Tokens]) -> None:
        """UserError if the model cannot take these data, or test data where these do not tell."""
        splits = {"train": train} | {f"dev set {prefix}".rstrip("_ "): tokens for prefix, tokens in dev.items()}
        if needs_all_splits(model, self._tokenizer):
            splits |= {split: self.load(split) for split in self.tested()}
        padding = settle_padding(model, self._tokenizer)
        require_fit(model, self._tokenizer, padding, splits)
        require_blind_to_padding(model, padding, train)

    def require_metrics(self, dev: dict[str, Tokens]) -> None:
        """UserError if a metric of the user's own fails, or has no value, for a dev set."""
        for tokens in dev.values():
            OwnMetrics(self._task.definition).require(_labels(tokens))

    def warnings(self, model: Any) -> tuple[str, ...]:
        """What readers of the result have to know of the data and of how the model takes them."""
        pairs = len(self._task.definition.text_columns) > 1
        told = pair_warnings(model, self._tokenizer, settle_padding(model, self._tokenizer)) if pairs else ()
        return (*told, *self._splits.warnings(self._task, self._fold))

    def require_length(self, model: Any) -> None:
        """UserError if texts can be longer than the model takes."""
        require_length(model, self._task.settings)

    def collate(self, model: Any, tokens: Tokens, head: Head) -> Collator:
        """Batches of a split, labels in the model's order."""
        return Collator(tokens, padding=settle_padding(model, self._tokenizer), label_order=head.order)

    def evaluate(
        self, model: Any, head: Head, dev: dict[str, Tokens], autocast: Autocast
    ) -> tuple[dict[str, float], Answers]:
        """All metrics that the task measures, and what is said of each row of dev sets that are not too large.

        `dev` maps the prefix of the metrics' names to a dev set. Of a run's processes the first gets both, the others
        nothing.
        """
        metrics: dict[str, float] = {}
        answers = {}
        for prefix, tokens in dev.items():
            # A signal is heeded after the evaluation, so that what it found is in the checkpoint.
            windows = list(self._logits(model, head, tokens, autocast, where="the dev set"))
            if not self._ranks.leads:
                continue
            logits = np.concatenate(windows)
            # Ids count in some metrics: F1 is that of the task's second label, wherever the model has it.
            found = measure(self._task.definition, head.in_task_order(logits), _labels(tokens))
            metrics |= {f"{prefix}{name}": value for name, value in found.items()}
            if not too_many(self._task.definition, len(tokens)):
                answers[prefix] = answers_of(self._task.definition, logits)
        wanted = set(self._task.definition.measured)
        return {name: value for name, value in metrics.items() if name in wanted}, answers

    def write_answers(
        self, answers: Answers, head: Head, dev: dict[str, Tokens], folder: Path
    ) -> dict[str, DevPredictionFile]:
        """The dev sets as they were predicted, written to `folder`: file name -> its record."""
        folder.mkdir(parents=True, exist_ok=True)
        definition, files = self._task.definition, {}
        for prefix, found in answers.items():
            split = definition.evaluation_splits[prefix]
            name, data = f"{split}.tsv", self._splits.digest(self._task, split)
            files[name] = write_answers(folder / name, definition, head, found, dev[prefix], data=data, prefix=prefix)
        return files

    def predict(self, model: Any, head: Head, autocast: Autocast, folder: Path) -> dict[str, PredictionFile]:
        """Every test set that there is, written to `folder` by a run's first process: file name -> its record."""
        definition = self._task.definition
        available = available_splits(self._task)
        folder.mkdir(parents=True, exist_ok=True)
        predictions = {}
        for name, (split, file) in prediction_files(definition).items():
            if split in available:
                tokens = self._ranks.after_first(partial(self.load, split))
                logits = self._logits(model, head, tokens, autocast, where=split, signals=True)
                if self._ranks.leads:
                    predictions[name] = write_predictions(folder / name, definition, logits, head.names, file)
                else:
                    deque(logits, maxlen=0)
        return predictions

    def tested(self) -> set[str]:
        """The splits that are predicted."""
        files = prediction_files(self._task.definition).values()
        return {split for split, _ in files} & available_splits(self._task)

    def test_data(self, predictions: Iterable[str]) -> dict[str, str]:
        """Of files that `predict` has written: the digests of what they are of."""
        files = prediction_files(self._task.definition)
        return {name: self._splits.digest(self._task, files[name][0]) for name in predictions}

    def _logits(
        self, model: Any, head: Head, tokens: Tokens, autocast: Autocast, *, where: str, signals: bool = False
    ) -> Iterator[Logits]:
        """In parts; DivergedError if they are not finite."""
        settings = self._task.settings
        windows = predict_logits(
            model,
            tokens,
            self.collate(model, tokens, head),
            batch_size=settings.eval_batch_size,
            autocast=autocast,
            on_batch=lambda: self._look(signals=signals),
            ranks=self._ranks,
        )
        for window in windows:
            require_finite(window, where, step=self._clock.step, precision=settings.precision)
            yield window

    def _look(self, *, signals: bool) -> None:
        """StoppedError if the run is to stop; its first process decides for all."""
        self._clock.check(signals=False)
        if signals and self._ranks.told(self._clock.stopping):
            raise StoppedError("told to stop")


def _labels(tokens: Tokens) -> Any:
    return tokens.labels if tokens.labels is not None else np.zeros(len(tokens), np.float32)
