"""Architectures x tokenizers x tasks: each cell is a run that is interrupted, goes on, predicts, saves, opens again.

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
from dataclasses import asdict, dataclass
from inspect import signature
from itertools import groupby
from pathlib import Path
from typing import Any
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

_TASKS: dict[str, dict[str, Any]] = {
    "classification": {"problemType": "Classification", "labels": list(LABELS), "columns": ["a"], "label": "class"},
    "pair": {"problemType": "Classification", "labels": list(LABELS), "columns": ["a", "b"], "label": "class"},
    "regression": {"problemType": "Regression", "metrics": ["rmse"], "columns": ["a"], "label": "score"},
    "several": {"problemType": "MultiLabelClassification", "columns": ["a"], "labelColumns": list(SEVERAL)},
}


@dataclass(frozen=True, order=True)
class Cell:
    """One combination."""

    architecture: str
    tokens: str
    task: str

    def __str__(self) -> str:
        return f"{self.architecture}-{self.tokens}-{self.task}"


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: with which words it was refused, else what a user is told in warnings."""

    refused: str = ""
    warnings: tuple[str, ...] = ()


_SEVERAL = ("bert", "distilbert", "roberta")
"""Architectures that are tried with several labels too, with their first tokenizer."""

CELLS = [
    Cell(name, tokens, task)
    for name, kind in ARCHITECTURES.items()
    for tokens in kind.tokenizers
    for task in _TASKS
    if task != "several" or (name in _SEVERAL and tokens == kind.tokenizers[0])
]


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


def try_cell(cell: Cell, folder: Path, data: Path) -> Outcome:
    """Do what a user does with a model; AssertionError where a number differs, whatever else where it breaks."""
    model = tiny_model(folder / "model", cell.architecture, tokens=cell.tokens)
    workspace = Workspace(folder, model, data)
    job = workspace.plan([_spec(cell.task)], retention={"models": "All"})
    try:
        whole = run_attempt(workspace, job, "whole")
    except UserError as error:
        return Outcome(refused=str(error).replace(f"{folder}/", "").splitlines()[0].rstrip(": "))
    result = interrupted(workspace, job, whole)
    saved = workspace.store / workspace.layout(job).model(result.attempt)
    _require_same_when_opened(cell, saved, data, workspace, job, result)
    return Outcome(warnings=result.warnings)


def _spec(task: str) -> dict[str, Any]:
    known = dict(_TASKS[task])
    files = {"train": "train.csv", "validation": "dev.csv", "test": "test.csv"}
    files |= {"textColumns": known.pop("columns")}
    files |= {"labelColumn": known.pop("label")} if "label" in known else {"labelColumns": known.pop("labelColumns")}
    # Learnt so fast that the weights of two steps differ; the last ones are those that are saved.
    training = {"maxSteps": STEPS, "evalSteps": STOP_AT, "learningRate": 1e-2, "trainBatchSize": 4, "evalBatchSize": 5}
    settings = {**training, "maxSeqLength": 48, "loadBestModelAtEnd": False, "precision": "fp32"}
    return {"name": task, "runs": 1, **known, "data": files, "training": settings}


def _pod(workspace: Workspace, job: JobPlan, attempt: str, stop: _Stop) -> Pod:
    with mock.patch.dict("os.environ", {"OMP_NUM_THREADS": "1", "FINETUNE_WORK": str(workspace.root / attempt)}):
        store = f"file://{workspace.store}"
        return make_pod(job.plan, job.limits, store=store, attempt=attempt, stop=stop, patience=0)


def run_attempt(workspace: Workspace, job: JobPlan, attempt: str, *, stop_at: int = 0) -> RunResult:
    """One attempt; a refusal comes before the first step, or it is a mistake of ours."""
    stop, seen = _Stop(), list[int]()

    def observe(line: Evaluation) -> None:
        seen.append(line.step)
        stop.is_set = line.step == stop_at

    run = Run(_pod(workspace, job, attempt, stop), job.plan.runs[0], observe=observe)
    try:
        return run.execute()
    except UserError as error:
        if seen:
            raise AssertionError(f"refused after {seen[-1]} steps: {error}") from error
        raise


def interrupted(workspace: Workspace, job: JobPlan, whole: RunResult) -> RunResult:
    """The run whose attempt was `whole`, stopped half-way and taken up again: every number is that of the whole one."""
    layout = workspace.layout(job)
    (workspace.store / layout.result).unlink()
    with pytest.raises(StoppedError):
        run_attempt(workspace, job, "first", stop_at=STOP_AT)
    result = run_attempt(workspace, job, "second")
    assert result.resumed_from == (STOP_AT,)
    assert (result.metrics, result.predictions) == (whole.metrics, whole.predictions)
    lines = [
        [(line.step, line.metrics, line.train_loss) for line in read_lines((workspace.store / key).read_bytes())]
        for key in (layout.metrics("whole"), layout.metrics("second"))
    ]
    assert lines[0] == lines[1]
    return result


def _require_same_when_opened(
    cell: Cell, saved: Path, data: Path, workspace: Workspace, job: JobPlan, result: RunResult
) -> None:
    """By transformers alone, the folder that was saved gives the run's loss and predictions, in batches of any size."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(saved, output_loading_info=True)
    assert not any(info.values()), info
    spec = _TASKS[cell.task]
    logits = {split: _logits(model.eval(), tokenizer, _column(data, split, *spec["columns"])) for split in ROWS}
    assert _loss(cell, data, logits["dev"]) == pytest.approx(result.metrics["loss"], rel=1e-4)
    file = workspace.store / workspace.layout(job).predictions(result.attempt, "test.tsv")
    predicted = [row.split("\t")[1] for row in file.read_text().splitlines()[1:]]
    if cell.task == "regression":
        np.testing.assert_allclose([float(value) for value in predicted], logits["test"][:, 0], atol=1e-3)
    elif cell.task == "several":
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


def _loss(cell: Cell, data: Path, logits: np.ndarray) -> float:
    made = torch.from_numpy(logits)
    if cell.task == "several":
        sets = torch.tensor([[float(one) for one in row] for row in _column(data, "dev", *SEVERAL)])
        return float(torch.nn.functional.binary_cross_entropy_with_logits(made, sets))
    [*labels] = (row[0] for row in _column(data, "dev", _TASKS[cell.task]["label"]))
    if cell.task == "regression":
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
    for (name, tokens), cells in groupby(CELLS, key=lambda cell: (cell.architecture, cell.tokens)):
        shown = {cell.task: _shown(outcomes[str(cell)], notes) for cell in cells}
        rows.append(f"| {name} | {_TOKENIZERS[tokens]} | {' | '.join(shown.get(task, '') for task in _TASKS)} |")
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
the architecture, with the kind of tokenizer that its family has, is trained on texts, on pairs of texts and on scores;
some of them also on texts with several labels.
The run is interrupted and goes on, predicts, and saves the model; `from_pretrained` opens it again. "works" means that

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
    outcomes = {}
    with quick_collections(), tempfile.TemporaryDirectory() as folder:
        data = write_tables(Path(folder) / "data")
        for cell in CELLS:
            outcomes[str(cell)] = try_cell(cell, Path(folder) / str(cell), data)
            sys.stderr.write(f"{cell}: {outcomes[str(cell)].refused or 'works'}\n")
    FOUND.write_text(json.dumps({name: asdict(one) for name, one in outcomes.items()}, indent=1) + "\n")
    PAGE.write_text(page(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
