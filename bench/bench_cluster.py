"""`make bench-cluster`: real GLUE through the cluster, against the peer script of `make bench-trainer`.

One FinetuneExperiment of all tasks and seeds runs on the local cluster, with the settings of a bench-trainer before it;
the peer's figures come from that bench's journal. Seeds are not paired: what is compared are means, with the peer's
spread as the measure. The experiment is applied again where it was begun, so that an interrupted bench goes on.

    make bench-trainer BENCH_ARGS="--tasks cola rte --seeds 5 --glue-dir GLUE --journal FILE"
    make bench-cluster BENCH_ARGS="--tasks cola rte --seeds 5 --glue-dir GLUE --journal FILE"
"""

import argparse
import json
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument
from finetune_dev import release
from finetune_dev.kubectl import kubectl
from finetune_dev.shell import say, step, wait_for
from finetune_store import upload_tree
from finetune_trainer.hardware import best_precision
from glue_demo import minilm_path
from machine import describe, write_section
from peer_run_glue import TASKS

NAMESPACE, NAME = "finetune-bench", "against-peer"
FOLDERS = {"cola": "CoLA", "rte": "RTE", "mrpc": "MRPC", "stsb": "STS-B", "wnli": "WNLI"}
_HOURS = 6
_PEER = re.compile(r"(?P<task>\w+) seed (?P<seed>\d+), peer \((?P<settings>.*)\)")


def main() -> None:
    """Run the experiment and write its table."""
    arguments = parse()
    settings = f"{arguments.max_steps}/{arguments.eval_steps}/{arguments.learning_rate:g}"
    peers = read_peers(arguments.journal, settings)
    if missing := [task for task in arguments.tasks if len(peers[task]) < arguments.seeds]:
        raise SystemExit(
            f"{arguments.journal} has fewer than {arguments.seeds} seeds of the peer with {settings} for "
            f"{', '.join(missing)}: run make bench-trainer with the same arguments and --journal first"
        )
    document = run(manifest(NAME, arguments), arguments.glue_dir)
    text = report(document, peers, arguments)
    write_section("bench-cluster", text)
    print(text)


def parse() -> argparse.Namespace:
    """Command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=sorted(set(FOLDERS) & set(TASKS)), default=list(FOLDERS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=60)
    parser.add_argument("--eval-steps", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--parallelism", type=int, default=1)
    parser.add_argument("--glue-dir", type=Path, required=True, help="real GLUE in its official TSV folders")
    parser.add_argument("--journal", type=Path, required=True, help="journal of make bench-trainer")
    return parser.parse_args()


def read_peers(journal: Path, settings: str) -> dict[str, list[float]]:
    """Task -> the peer's values by seed, of runs with these settings."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        match = _PEER.fullmatch(entry["name"])
        if match and match["settings"] == settings:
            found[match["task"]][int(match["seed"])] = float(entry["measured"]["value"])
    return defaultdict(list, {task: [by_seed[k] for k in sorted(by_seed)] for task, by_seed in found.items()})


def manifest(name: str, arguments: argparse.Namespace, **training: object) -> Json:
    """The experiment: as bench-trainer's plan, but for where its inputs lie, and with these arguments more."""
    return {
        "apiVersion": "finetune.dev/v1alpha1",
        "kind": "FinetuneExperiment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "model": {"uri": f"s3://{release.BUCKET}/bench/minilm"},
            "data": {"uri": f"s3://{release.BUCKET}/bench/glue"},
            "tasks": [{"name": task} for task in arguments.tasks],
            "runs": arguments.seeds,
            "training": {
                "maxSteps": arguments.max_steps,
                "evalSteps": arguments.eval_steps,
                "learningRate": arguments.learning_rate,
                "precision": str(best_precision()),
                **training,
            },
            "execution": {
                "parallelism": arguments.parallelism,
                "runsPerPod": arguments.seeds,
                "reuse": "Experiment",
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}},
            },
        },
    }


def run(experiment: Json, glue: Path) -> ResultsDocument:
    """Apply it and wait for its report."""
    name = experiment["metadata"]["name"]
    with step("installing the operator"):
        release.install()
    release.make_namespace(NAMESPACE)
    with release.embedded_store() as store, step("uploading model and data"):
        upload_tree(store, minilm_path(), "bench/minilm")
        for task in experiment["spec"]["tasks"]:
            folder = FOLDERS[task["name"]]
            upload_tree(store, glue / folder, f"bench/glue/{folder}")
    kubectl("apply", "-f", "-", stdin=json.dumps(experiment))
    shown = [""]

    def ended() -> bool:
        text = kubectl("--namespace", NAMESPACE, "get", "finetuneexperiments", name, "--output", "json")
        status = json.loads(text).get("status") or {}
        outcome = next((one for one in status.get("conditions") or () if one["type"] == "Succeeded"), {})
        line = f"{outcome.get('reason')} {(status.get('runs') or {}).get('summary', '')}"
        if line != shown[-1]:
            shown.append(line)
            say(f"  {line}")
        return outcome.get("status") in {"True", "False"}

    with step("the experiment runs"):
        wait_for(f"{name} to end", ended, seconds=_HOURS * 3600, every=5)
    with release.embedded_store() as store:
        return ResultsDocument.model_validate_json(store.get(ExperimentLayout(NAMESPACE, name).results("json")))


def report(document: ResultsDocument, peers: dict[str, list[float]], arguments: argparse.Namespace) -> str:
    """The table in Markdown; metrics x100."""
    lines = [
        "## Real GLUE through the cluster, against run_glue's defaults",
        "",
        f"{describe()}. MiniLM (22 M parameters), {arguments.max_steps} steps of 32, evaluation every "
        f"{arguments.eval_steps}, learning rate {arguments.learning_rate:g}, precision {best_precision()}; mean ± "
        "standard deviation over seeds of the best evaluation's metric, x100. Peer: as in the section on the trainer.",
        "",
        "| task | metric | peer (n) | through the cluster (n) | difference | within the peer's spread |",
        "|---|---|---|---|---|---|",
    ]
    for task in document.tasks:
        values = [100 * one.value for one in document.runs if one.task == task.task and one.value is not None]
        theirs = [100 * one for one in peers[task.task]]
        delta = statistics.mean(values) - statistics.mean(theirs)
        low, high = min(theirs), max(theirs)
        within = low <= statistics.mean(values) <= high
        lines.append(
            f"| {task.task} | {task.metric} | {told(theirs)} | {told(values)} | {delta:+.2f} | "
            f"{'yes' if within else 'no'} ({low:.2f} to {high:.2f}) |"
        )
    return "\n".join(lines) + "\n"


def told(values: list[float]) -> str:
    """`54.80 ± 2.56 (5)`."""
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} ({len(values)})"


if __name__ == "__main__":
    sys.exit(main())
