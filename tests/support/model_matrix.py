"""Architectures x tokenizers x tasks: each cell is a run that is interrupted, goes on, predicts, saves, opens again.

A model's runs are those of one pod, so that its tokenizer and texts are read once.

    PYTHONPATH=tests:dev python -m support.model_matrix    # or: make models

tries all of them and writes what came of it: tests/data/models.json, and from that docs/models.md.
"""

import csv
import gc
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, Self
from unittest import mock

import numpy as np
import pytest
import torch
import transformers

from finetune_core.planning.plan import JobPlan
from finetune_core.results.evaluation import Evaluation, read_lines
from finetune_core.results.run import RunResult
from finetune_trainer.errors import StoppedError, UserError
from finetune_trainer.pod import make_pod
from finetune_trainer.run.run import Pod, Run
from glue_demo.models import vocabulary
from support.tiny_models import ARCHITECTURES, tiny_model
from support.trainer_runs import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
FOUND = REPOSITORY / "tests/data/models.json"
PAGE = REPOSITORY / "docs/models.md"

ROWS = {"train": 16, "dev": 12, "test": 10}
STEPS, STOP_AT = 4, 2
BATCHES = (1, 3, 12)
LABELS = ("no", "yes")
SEVERAL = ("red", "green", "blue")
FP32 = 2e-4
"""Of the logits' spread over texts: what adding up in another order changes."""

TASKS: dict[str, dict[str, Any]] = {
    "classification": {"problemType": "Classification", "labels": list(LABELS), "columns": ["a"], "label": "class"},
    "pair": {"problemType": "Classification", "labels": list(LABELS), "columns": ["a", "b"], "label": "class"},
    "regression": {"problemType": "Regression", "metrics": ["rmse"], "columns": ["a"], "label": "score"},
    "several": {"problemType": "MultiLabelClassification", "columns": ["a"], "labelColumns": list(SEVERAL)},
}


@dataclass(frozen=True)
class Variant:
    """An architecture with a kind of tokenizer."""

    architecture: str
    tokens: str

    def cell(self, task: str) -> str:
        """The name of its cell of a task."""
        return f"{self}-{task}"

    def __str__(self) -> str:
        return f"{self.architecture}-{self.tokens}"


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: with which words it was refused, else what a user is told in warnings."""

    refused: str = ""
    warnings: tuple[str, ...] = ()


VARIANTS = [Variant(name, tokens) for name, kind in ARCHITECTURES.items() for tokens in kind.tokenizers]


class _Stop:
    """Set by an evaluation, as a signal sets it."""

    is_set = False


def write_tables(folder: Path) -> Path:
    """Pairs of texts of various lengths, with a class and a score, for training, dev and test."""
    random = np.random.default_rng(0)
    words = [word for word in vocabulary() if word.isalpha()]
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in ROWS.items():
        texts = [[" ".join(random.choice(words, random.integers(1, 14))) for _ in "ab"] for _ in range(count)]
        rows = [
            (*pair, LABELS[place % 2], round(float(random.normal()), 3), *(place >> bit & 1 for bit in range(3)))
            for place, pair in enumerate(texts)
        ]
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("a", "b", "class", "score", *SEVERAL), *rows])
    return folder


@contextmanager
def quick_collections() -> Iterator[None]:
    """Trainer has all garbage collected after each run: what libraries have loaded is passed over then."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def try_variant(variant: Variant, folder: Path, data: Path) -> dict[str, Outcome]:
    """Do what a user does with a model; AssertionError where a number differs, whatever else where it breaks."""
    model = tiny_model(folder / "model", variant.architecture, tokens=variant.tokens)
    workspace = Workspace(folder, model, data)
    tries = Tries.of(workspace, workspace.plan([_spec(task) for task in TASKS], retention={"models": "All"}))
    return {variant.cell(run.task): tries.outcome(place) for place, run in enumerate(tries.job.plan.runs)}


def _spec(task: str) -> dict[str, Any]:
    known = dict(TASKS[task])
    files = {"train": "train.csv", "validation": "dev.csv", "test": "test.csv"}
    files |= {"textColumns": known.pop("columns")}
    files |= {"labelColumn": known.pop("label")} if "label" in known else {"labelColumns": known.pop("labelColumns")}
    # Learnt so fast that the weights of two steps differ; the last ones are those that are saved.
    training = {"maxSteps": STEPS, "evalSteps": STOP_AT, "learningRate": 1e-2, "trainBatchSize": 4, "evalBatchSize": 5}
    settings = {**training, "maxSeqLength": 48, "loadBestModelAtEnd": False, "precision": "fp32"}
    return {"name": task, "runs": 1, **known, "data": files, "training": settings}


@dataclass(frozen=True)
class Tries:
    """Attempts at a job's runs, by their places in it, by one pod."""

    workspace: Workspace
    job: JobPlan
    pod: Pod

    @classmethod
    def of(cls, workspace: Workspace, job: JobPlan) -> Self:
        """By the trainer as it is in a pod, but in this process."""
        environment = {"OMP_NUM_THREADS": "1", "FINETUNE_WORK": str(workspace.root / "work")}
        with mock.patch.dict("os.environ", environment):
            store = f"file://{workspace.store}"
            pod = make_pod(job.plan, job.limits, store=store, attempt="", stop=_Stop(), patience=0)
        return cls(workspace, job, pod)

    def attempt(self, name: str, place: int = 0, *, stop_at: int = 0) -> RunResult:
        """One attempt; a refusal comes before the first step, or it is a mistake of ours."""
        stop, seen = _Stop(), list[int]()

        def observe(line: Evaluation) -> None:
            seen.append(line.step)
            stop.is_set = line.step == stop_at

        run = Run(replace(self.pod, attempt=name, stop=stop), self.job.plan.runs[place], observe=observe)
        try:
            return run.execute()
        except UserError as error:
            if seen:
                raise AssertionError(f"refused after {seen[-1]} steps: {error}") from error
            raise

    def interrupted(self, whole: RunResult, place: int = 0) -> RunResult:
        """The run whose attempt was `whole`, stopped half-way and taken up again: every number is the whole one's."""
        store, layout = self.workspace.store, self.workspace.layout(self.job, place)
        (store / layout.result).unlink()
        with pytest.raises(StoppedError):
            self.attempt("first", place, stop_at=STOP_AT)
        result = self.attempt("second", place)
        assert result.resumed_from == (STOP_AT,)
        assert (result.metrics, result.predictions) == (whole.metrics, whole.predictions)
        assert result.dev_predictions == whole.dev_predictions
        lines = [
            [(line.step, line.metrics, line.train_loss) for line in read_lines((store / key).read_bytes())]
            for key in (layout.metrics("whole"), layout.metrics("second"))
        ]
        assert lines[0] == lines[1]
        return result

    def outcome(self, place: int) -> Outcome:
        """All of a cell: what its run comes to, or the words by which it is refused."""
        task = self.job.plan.runs[place].task
        try:
            whole = self.attempt("whole", place)
        except UserError as error:
            return Outcome(refused=str(error).replace(f"{self.workspace.root}/", "").splitlines()[0].rstrip(": "))
        result, layout = self.interrupted(whole, place), self.workspace.layout(self.job, place)
        predicted = (self.workspace.store / layout.predictions(result.attempt, "test.tsv")).read_text()
        saved = self.workspace.store / layout.model(result.attempt)
        _require_same_when_opened(task, saved, self.workspace.data, result, predicted)
        return Outcome(warnings=result.warnings)


def _require_same_when_opened(task: str, saved: Path, data: Path, result: RunResult, predictions: str) -> None:
    """By transformers alone, the folder that was saved gives the run's loss and predictions, in batches of any size."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(saved, output_loading_info=True)
    assert not any(info.values()), info
    columns = TASKS[task]["columns"]
    logits = {split: _logits(model.eval(), tokenizer, _column(data, split, *columns)) for split in ("dev", "test")}
    assert _loss(task, data, logits["dev"]) == pytest.approx(result.metrics["loss"], rel=1e-4)
    predicted = [row.split("\t")[1] for row in predictions.splitlines()[1:]]
    if task == "regression":
        np.testing.assert_allclose([float(value) for value in predicted], logits["test"][:, 0], atol=1e-3)
    elif task == "several":
        made = [[model.config.id2label[place] for place, one in enumerate(row) if one > 0] for row in logits["test"]]
        assert [json.loads(row) for row in predicted] == made
    else:
        assert predicted == [model.config.id2label[int(place)] for place in logits["test"].argmax(axis=1)]


def _column(data: Path, split: str, *names: str) -> list[tuple[str, ...]]:
    with (data / f"{split}.csv").open(newline="") as file:
        return [tuple(row[name] for name in names) for row in csv.DictReader(file)]


def _logits(model: Any, tokenizer: Any, rows: list[tuple[str, ...]]) -> np.ndarray:
    """Padded by the saved tokenizer; the same for every batch size."""
    found = [np.concatenate(list(_batches(model, tokenizer, rows, size))) for size in BATCHES]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=FP32 * max(1.0, float(np.abs(found[0]).max())))
    return found[0]


def _batches(model: Any, tokenizer: Any, rows: list[tuple[str, ...]], size: int) -> Iterator[np.ndarray]:
    for first in range(0, len(rows), size):
        texts = [list(column) for column in zip(*rows[first : first + size], strict=True)]
        batch = tokenizer(*texts, truncation=True, max_length=48, padding=True, return_tensors="pt")
        with torch.inference_mode():
            # DistilBERT takes no token types, which BERT's tokenizer gives.
            known = {name: value for name, value in batch.items() if name in signature(model.forward).parameters}
            yield model(**known).logits.numpy()


def _loss(task: str, data: Path, logits: np.ndarray) -> float:
    made = torch.from_numpy(logits)
    if task == "several":
        sets = torch.tensor([[float(one) for one in row] for row in _column(data, "dev", *SEVERAL)])
        return float(torch.nn.functional.binary_cross_entropy_with_logits(made, sets))
    [*labels] = (row[0] for row in _column(data, "dev", TASKS[task]["label"]))
    if task == "regression":
        return float(torch.nn.functional.mse_loss(made[:, 0], torch.tensor([float(label) for label in labels])))
    return float(torch.nn.functional.cross_entropy(made, torch.tensor([LABELS.index(label) for label in labels])))


def found() -> dict[str, Outcome]:
    """What is written down: cell -> outcome."""
    raw = json.loads(FOUND.read_text())
    return {name: Outcome(one["refused"], tuple(one["warnings"])) for name, one in raw.items()}


def page(outcomes: dict[str, Outcome]) -> str:
    """docs/models.md."""
    notes: dict[str, int] = {}
    rows = []
    for variant in VARIANTS:
        shown = [_shown(outcomes[variant.cell(task)], notes) for task in TASKS]
        rows.append(f"| {variant.architecture} | {_TOKENIZERS[variant.tokens]} | {' | '.join(shown)} |")
    words = [f"{number}. {text}" for text, number in notes.items()]
    return "\n".join([_HEAD, *rows, "", "In these words:", "", *words, ""])


_TOKENIZERS = {
    "wordpiece": "WordPiece",
    "bpe": "BPE",
    "gpt2": "BPE, no pad token",
    "xlnet": "BPE, padded left",
    "sentencepiece": "SentencePiece model alone",
}

_HEAD = """\
# Models

Which architectures work, by the tests: `make models` tries each of them and writes this page. A tiny random model of
the architecture, with the kind of tokenizer that its family has, is trained on texts, on pairs of texts, on scores and
on texts with several labels. The run is interrupted and goes on, predicts, and saves the model; `from_pretrained`
opens it again. "works" means that

- the interrupted run has the numbers of one that was not interrupted, to the last digit;
- the predictions are the same for every batch size;
- the model that was saved gives the same loss and predictions by transformers alone;
- nothing but the head is new ([why](decisions/0017-only-the-head-is-new.md)).

A number leads to the words of a refusal, which comes before the first step, or of a warning, which stands in the
status. The name is the `model_type` in config.json. Other architectures of transformers with a head for sequence
classification are not tried here; the same checks are made on them before anything is trained.

| model | tokenizer | text | pair | score | several labels |
|---|---|---|---|---|---|"""


def _shown(outcome: Outcome, notes: dict[str, int]) -> str:
    told = [outcome.refused] if outcome.refused else list(outcome.warnings)
    numbers = [notes.setdefault(text.replace("|", r"\|"), len(notes) + 1) for text in told]
    marks = "".join(f" ({number})" for number in numbers)
    return f"{'refused' if outcome.refused else 'works'}{marks}"


def main() -> int:
    """Try all cells and write both files."""
    outcomes: dict[str, Outcome] = {}
    with quick_collections(), tempfile.TemporaryDirectory() as folder:
        data = write_tables(Path(folder) / "data")
        for variant in VARIANTS:
            made = try_variant(variant, Path(folder) / str(variant), data)
            sys.stderr.writelines(f"{cell}: {outcome.refused or 'works'}\n" for cell, outcome in made.items())
            outcomes |= made
    FOUND.write_text(json.dumps({name: asdict(one) for name, one in outcomes.items()}, indent=1) + "\n")
    PAGE.write_text(page(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
