"""Ten short runs by so many pods and so many at a time, on the cluster in use: `python bench/runs_per_pod.py`.

The same experiment (MiniLM on demo data) for each side and round, in a namespace of its own, the sides in turn, so
that what else the machine does meets all of them. Needs PYTHONPATH=dev and what `make demo` leaves: the cluster, the
operator, model and data in the store. Writes its section of bench/RESULTS.md.
"""

import argparse
import json
from collections.abc import Mapping
from datetime import datetime
from statistics import median
from typing import Any

from finetune_dev import release
from finetune_dev.kubectl import kubectl
from finetune_dev.shell import say, step, wait_for
from finetune_store import delete_tree
from machine import describe, write_section

NAME, RUNS = "runs-per-pod", 10
SIDES: Mapping[str, Mapping[str, Any]] = {
    "a run a pod": {"runsPerPod": 1},
    "ten runs a pod": {"runsPerPod": RUNS},
    "Auto": {"runsPerPod": "Auto"},
    "ten runs a pod, two at a time": {"runsPerPod": RUNS, "runsAtOnce": 2},
}


def manifest(namespace: str, execution: Mapping[str, Any]) -> dict[str, Any]:
    training = {"maxSteps": 20, "evalSteps": 10, "trainBatchSize": 16, "learningRate": 1e-4, "maxSeqLength": 64}
    # On one thread, however many share the cores: the sides' metrics can then be compared to the last digit.
    one_thread = {"env": [{"name": "OMP_NUM_THREADS", "value": "1"}]}
    return {
        "apiVersion": "finetune.dev/v1alpha1",
        "kind": "FinetuneExperiment",
        "metadata": {"namespace": namespace, "name": NAME},
        "spec": {
            "model": {"uri": f"s3://{release.BUCKET}/demo/minilm"},
            "data": {"uri": f"s3://{release.BUCKET}/demo/glue"},
            "tasks": [{"name": "wnli"}],
            "runs": RUNS,
            "training": training,
            "retention": {"models": "None"},
            "execution": {"parallelism": 2, "podTemplate": one_thread, **execution},
        },
    }


def measure(namespace: str, side: str) -> tuple[float, tuple[Any, ...]]:
    """Seconds from the Job's creation to the end of the report, and what the task's runs came to."""
    status: dict[str, Any] = {}

    def ended() -> bool:
        found = json.loads(kubectl("--namespace", namespace, "get", "fte", NAME, "--output", "json"))
        status.update(found.get("status") or {})
        return "completionTime" in status

    with step(f"{RUNS} runs: {side}"):
        kubectl("apply", "-f", "-", stdin=json.dumps(manifest(namespace, SIDES[side])))
        wait_for(f"{NAME} to end", ended, seconds=900, every=1)
    began, done = (datetime.fromisoformat(status[key]) for key in ("startTime", "completionTime"))
    (task,) = status["tasks"]
    return (done - began).total_seconds(), (task["runs"], task["best"]["runId"], task["best"]["value"], task["mean"])


def in_a_namespace(side: str) -> tuple[float, tuple[Any, ...]]:
    namespace = f"bench-side-{list(SIDES).index(side)}"
    release.make_namespace(namespace)
    with release.embedded_store() as store:
        delete_tree(store, namespace)  # or an earlier benchmark's runs would not be run
    try:
        return measure(namespace, side)
    finally:
        kubectl("delete", "namespace", namespace, "--wait")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    found = set()
    for _ in range(rounds):
        for side, took in seconds.items():
            one, what = in_a_namespace(side)
            took.append(one)
            found.add(what)
    first = seconds["a run a pod"]
    rows = [
        f"| {side} | {median(took):.0f} ({min(took):.0f} to {max(took):.0f}) | "
        f"{median(one / other for one, other in zip(first, took, strict=True)):.2f}x |"
        for side, took in seconds.items()
    ]
    same = "the same runs, best run and mean" if len(found) == 1 else f"NOT the same: {sorted(found)}"
    write_section(
        "runs-per-pod",
        f"## Ten short runs by so many pods (`runsPerPod`, `runsAtOnce`)\n\n{describe()}\n\n"
        f"MiniLM, WNLI of the demo data, 20 steps on one thread, two pods at a time; from the Job's creation to the "
        f"end of the report. {rounds} rounds, the sides in turn: median (range), and the median of the ratios.\n\n"
        "| | seconds | faster than a run a pod |\n|---|---|---|\n" + "\n".join(rows) + f"\n\nMetrics: {same}.",
    )
    say(f"{seconds}, {same}")


if __name__ == "__main__":
    main()
