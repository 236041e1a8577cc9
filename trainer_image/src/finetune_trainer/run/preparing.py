"""What a run does before it trains: its data as tokens, its model, and whether they fit each other."""

from typing import Any

import transformers

from finetune_core.planning.plan import ResolvedModel, TaskPlan
from finetune_trainer.data.splits import Splits
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.inputs import Inputs
from finetune_trainer.measure.answers import Answers, too_many
from finetune_trainer.model.adapters import Adapter, make_adapter
from finetune_trainer.model.fits import vocabulary_warning
from finetune_trainer.model.layers import freeze
from finetune_trainer.model.loading import Head, load_model
from finetune_trainer.model.tokenizer import load_tokenizer
from finetune_trainer.ranks import ALONE, Ranks
from finetune_trainer.run.assess import Assessor
from finetune_trainer.run.class_weights import WeightedLoss, weighted_loss
from finetune_trainer.run.progress import Clock


class Preparation:
    """Step by step, so that an inspection can tell at which one a model or its data fail. UserError at each."""

    train: Tokens
    dev: dict[str, Tokens]
    model: Any
    head: Head
    adapter: Adapter | None = None

    def __init__(
        self,
        plan: ResolvedModel,
        task: TaskPlan,
        inputs: Inputs,
        splits: Splits,
        clock: Clock,
        fold: int | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._plan = plan
        self._definition = task.definition
        self._settings = task.settings
        self._folder = inputs.model(plan.uri, plan.digest)
        self.tokenizer, digest = load_tokenizer(self._folder)
        self.assessor = Assessor(task, splits, self.tokenizer, digest, clock, fold, ranks)

    def read_data(self) -> None:
        """What is trained on and scored."""
        self.train = self.assessor.load("train")
        self.dev = {prefix: self.assessor.load(split) for prefix, split in self._definition.evaluation_splits.items()}

    @property
    def dev_rows(self) -> int:
        """Of all that an evaluation scores."""
        return sum(map(len, self.dev.values()))

    def load_model(self, seed: int) -> None:
        """The model, its new head and adapter drawn by the seed; what is not trained is frozen."""
        transformers.set_seed(seed)
        pad_id = self.tokenizer.pad_token_id
        self.model, self.head = load_model(self._folder, self._definition, self._plan.type, pad_id=pad_id)
        self.adapter = make_adapter(self.model, self._settings, self._plan.uri, self.head.new)
        freeze(self.model, self._settings)

    def require_fit(self) -> None:
        """Whether the model can take the data."""
        self.assessor.require_fit(self.model, self.train, self.dev)

    def require_metrics(self) -> None:
        """Whether all metrics can be had for the dev sets."""
        self.assessor.require_metrics(self.dev)

    def weigh(self) -> WeightedLoss | None:
        """How labels count in the loss; None where all count the same."""
        return weighted_loss(self._definition, self._settings, self.train, self.head)

    def require_length(self) -> None:
        """Whether it can take texts as long as the settings allow."""
        self.assessor.require_length(self.model)

    def unkept(self, answers: Answers) -> tuple[str, ...]:
        """A word on each dev set whose predictions are not kept."""
        task, earlier = self._definition, "the run went on from a checkpoint of an earlier version"
        return tuple(
            f"{task.name}, {task.evaluation_splits[prefix]}: its predictions are not kept: "
            f"{too_many(task, len(tokens)) or earlier}"
            for prefix, tokens in self.dev.items()
            if prefix not in answers
        )

    def warnings(self) -> tuple[str, ...]:
        """What readers of a result have to know of model and data."""
        vocabulary = vocabulary_warning(self.model, self.tokenizer)
        return (*self.head.warnings, *vocabulary, *self.assessor.warnings(self.model))
