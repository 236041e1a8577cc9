"""`make bench-adapters`: LoRA and full training through the cluster, against a script of PEFT's own usage.

Two FinetuneExperiments run on the local cluster, one with an adapter and one without; the peer script runs here, with
the same steps, batch size, learning rate, precision and adapter. Neither predicts a test set. The peer's processes are
noted in a journal, and the experiments are applied again where they were begun, so that an interrupted bench goes on.
Seeds are not paired: what is compared are means over seeds, with Welch's interval.

    make bench-adapters BENCH_ARGS="--tasks rte mrpc --seeds 5 --glue-dir GLUE --journal FILE"
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scipy.stats import ttest_ind

from bench_cluster import FOLDERS, manifest, run, told
from bench_trainer import Journal, Measured, run_peer
from finetune_core.results.schema import ResultsDocument
from finetune_trainer.hardware import best_precision
from glue_demo import minilm_path
from machine import describe, write_section
from peer_run_glue import TASKS


@dataclass(frozen=True)
class Way:
    """A way to train: its learning rate and what differs, as our argument and as the peer's flag have it."""

    name: str
    learning_rate: float
    adapter: tuple[int, int, float] | None = None

    @property
    def training(self) -> dict[str, object]:
        """Arguments of the experiment."""
        if self.adapter is None:
            return {}
        r, alpha, dropout = self.adapter
        return {"peftType": "LORA", "loraR": r, "loraAlpha": alpha, "loraDropout": dropout}

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of the peer."""
        if self.adapter is None:
            return ()
        r, alpha, dropout = self.adapter
        return (f"--lora-r={r}", f"--lora-alpha={alpha}", f"--lora-dropout={dropout}")


WAYS = (Way("full", 3e-4), Way("lora", 2e-3, (8, 16, 0.1)))
"""Rank, alpha and dropout are those of PEFT's example for sequence classification; few steps learn at these rates."""


def main() -> None:
    """Run both sides, print and write the table."""
    arguments = parse()
    lines = []
    for way in WAYS:
        settings = argparse.Namespace(**vars(arguments), learning_rate=way.learning_rate, parallelism=1)
        peers = {task: run_peers(task, way, settings) for task in arguments.tasks}
        if arguments.peers_only:
            continue
        experiment = manifest(
            f"adapters-{way.name}", settings, trainBatchSize=arguments.train_batch_size, **way.training
        )
        experiment["spec"]["predict"] = False
        document = run(experiment, arguments.glue_dir)
        lines += [row(task, way, peers[task], document) for task in arguments.tasks]
    if lines:
        text = report(lines, arguments)
        print(text)
        write_section("bench-adapters", text)


def parse() -> argparse.Namespace:
    """Command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=sorted(set(FOLDERS) & set(TASKS)), default=["rte", "mrpc"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=120)
    parser.add_argument("--eval-steps", type=int, default=40)
    parser.add_argument("--train-batch-size", type=int, default=16)
    parser.add_argument("--glue-dir", type=Path, required=True, help="real GLUE in its official TSV folders")
    parser.add_argument("--journal", type=Path, default=None, help="file of finished processes, to go on from")
    parser.add_argument("--peers-only", action="store_true", help="only the peer's processes, into the journal")
    arguments = parser.parse_args()
    arguments.model = str(minilm_path())
    return arguments


def run_peers(task: str, way: Way, settings: argparse.Namespace) -> list[float]:
    """The peer's values of the best evaluation, by seed."""
    journal = Journal(settings.journal, settings)
    flags = [
        f"--train-batch-size={settings.train_batch_size}",
        "--dynamic-padding",
        "--no-predict",
        *(["--bf16"] if best_precision() == "bf16" else []),
        *way.flags,
    ]

    def once(seed: int) -> Measured:
        folder = Path(tempfile.mkdtemp(prefix="bench-adapters-"))
        try:
            return run_peer(task, settings, settings.glue_dir, folder, seed, *flags)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    name = f"{task} {way.name} batch {settings.train_batch_size}"
    seeds = range(1, settings.seeds + 1)
    return [journal.measured(f"{name} seed {seed}, peer", partial(once, seed)).value for seed in seeds]


def row(task: str, way: Way, peers: list[float], document: ResultsDocument) -> str:
    """One line of the table, metrics x100."""
    runs = [run for run in document.runs if run.task == task and run.value is not None]
    ours = [100 * run.value for run in runs if run.value is not None]
    theirs = [100 * value for value in peers]
    interval = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    difference = statistics.mean(ours) - statistics.mean(theirs)
    cells = (
        task,
        TASKS[task][5],
        way.name,
        told(theirs),
        told(ours),
        f"{difference:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]",
        "yes" if interval.low <= 0 <= interval.high else "no",
    )
    return f"| {' | '.join(cells)} |"


def report(lines: list[str], arguments: argparse.Namespace) -> str:
    """The section in Markdown."""
    r, alpha, dropout = next(way.adapter for way in WAYS if way.adapter)
    rates = ", ".join(f"{way.name} {way.learning_rate:g}" for way in WAYS)
    return "\n".join(
        [
            "## LoRA and full training through the cluster, against a script of PEFT's own usage",
            "",
            f"`make bench-adapters`. {describe()}. Real GLUE, MiniLM (22 M parameters), {arguments.max_steps} steps "
            f"of {arguments.train_batch_size}, evaluation every {arguments.eval_steps}, learning rates: {rates}; "
            f"LoRA with r {r}, alpha {alpha}, dropout {dropout}; precision {best_precision()} on both "
            "sides. Mean ± standard deviation over seeds (n) of the best evaluation's metric, x100; difference with "
            "Welch's 95 % interval.",
            "",
            "| task | metric | way | script (n) | through the cluster (n) | difference (95 %) | zero within |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
