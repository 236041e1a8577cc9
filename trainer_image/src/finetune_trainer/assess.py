"""The tokenised splits of a run, and its model measured on the dev sets and applied to the test sets."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from finetune_core.plan import TaskPlan
from finetune_core.results import PredictionFile
from finetune_core.tasks import SubmissionFile
from finetune_trainer.data.splits import Splits
from finetune_trainer.data.tokens import Collator, Tokens
from finetune_trainer.metrics import measure
from finetune_trainer.model import Head
from finetune_trainer.predict import Logits, predict_logits, write_predictions
from finetune_trainer.progress import Clock

Autocast = Callable[[], AbstractContextManager[Any]]
"""The context that a forward pass runs in, by the run's precision."""


class Assessor:
    """Data of one run for one tokenizer; `sources` says where tokenised splits came from."""

    def __init__(self, task: TaskPlan, splits: Splits, tokenizer: Any, tokenizer_digest: str, clock: Clock) -> None:
        self._task = task
        self._splits = splits
        self._tokenizer = tokenizer
        self._tokenizer_digest = tokenizer_digest
        self._clock = clock
        self.sources: set[str] = set()

    def load(self, split: str) -> Tokens:
        """A tokenised split."""
        tokens = self._splits.load(self._task, split, self._tokenizer, self._tokenizer_digest)
        self.sources.add(self._splits.last_source)
        return tokens

    def collate(self, tokens: Tokens, head: Head) -> Collator:
        """Batches of a split, labels in the model's order."""
        return Collator(tokens, pad_id=self._tokenizer.pad_token_id or 0, label_order=head.order)

    def evaluate(self, model: Any, head: Head, dev: dict[str, Tokens], autocast: Autocast) -> dict[str, float]:
        """All metrics that the task measures; `dev` maps the prefix of their names to a dev set."""
        metrics: dict[str, float] = {}
        for prefix, tokens in dev.items():
            # A signal is heeded after the evaluation, so that what it found is in the checkpoint.
            logits = np.concatenate(list(self._logits(model, head, tokens, autocast, signals=False)))
            labels = tokens.labels if tokens.labels is not None else np.zeros(len(tokens), np.float32)
            truth = labels if head.order is None else head.order[labels.astype(np.int64)]
            found = measure(self._task.definition, logits, truth)
            metrics |= {f"{prefix}{name}": value for name, value in found.items()}
        wanted = set(self._task.definition.measured)
        return {name: value for name, value in metrics.items() if name in wanted}

    def predict(self, model: Any, head: Head, autocast: Autocast, folder: Path) -> dict[str, PredictionFile]:
        """Every test set that there is, written to `folder`: file name -> its record."""
        definition = self._task.definition
        available = self._splits.available(self._task)
        files: dict[str, tuple[str, SubmissionFile | None]] = {
            file.name: (file.split, file) for file in definition.submission
        }
        wanted = files or {f"{split}.tsv": (split, None) for split in definition.test_splits}
        folder.mkdir(parents=True, exist_ok=True)
        predictions = {}
        for name, (split, file) in wanted.items():
            if split in available:
                logits = self._logits(model, head, self.load(split), autocast, signals=True)
                predictions[name] = write_predictions(folder / name, definition, logits, head.names, file)
        return predictions

    def _logits(self, model: Any, head: Head, tokens: Tokens, autocast: Autocast, *, signals: bool) -> Iterator[Logits]:
        return predict_logits(
            model,
            tokens,
            self.collate(tokens, head),
            batch_size=self._task.settings.eval_batch_size,
            autocast=autocast,
            on_batch=lambda: self._clock.check(signals=signals),
        )
