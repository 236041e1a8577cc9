"""Ten short runs in one pod against ten pods, on the cluster in use: `python bench/runs_per_pod.py`.

The same experiment (MiniLM on demo data) in two namespaces, one after the other, two pods at a time where there are
ten. Needs PYTHONPATH=dev and what `make demo` leaves: the cluster, the operator, model and data in the store. Writes
its section of bench/RESULTS.md.
"""

import json
from datetime import datetime
from typing import Any

from finetune_dev import release
from finetune_dev.kubectl import kubectl
from finetune_dev.shell import say, step, wait_for
from finetune_store import delete_tree
from machine import describe, write_section

NAME, RUNS = "runs-per-pod", 10
SIDES = {"ten-pods": 1, "one-pod": RUNS}


def manifest(namespace: str, runs_per_pod: int) -> dict[str, Any]:
    training = {"maxSteps": 20, "evalSteps": 10, "trainBatchSize": 16, "learningRate": 1e-4, "maxSeqLength": 64}
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
            "execution": {"parallelism": 2, "runsPerPod": runs_per_pod},
        },
    }


def measure(namespace: str, runs_per_pod: int) -> tuple[float, dict[str, Any]]:
    """Seconds from the Job's creation to the end of the report, and the status."""
    status: dict[str, Any] = {}

    def ended() -> bool:
        found = json.loads(kubectl("--namespace", namespace, "get", "fte", NAME, "--output", "json"))
        status.update(found.get("status") or {})
        return "completionTime" in status

    with step(f"{RUNS} runs, {runs_per_pod} a pod"):
        kubectl("apply", "-f", "-", stdin=json.dumps(manifest(namespace, runs_per_pod)))
        wait_for(f"{NAME} to end", ended, seconds=900, every=1)
    began, done = (datetime.fromisoformat(status[key]) for key in ("startTime", "completionTime"))
    return (done - began).total_seconds(), status


def main() -> None:
    seconds, bests = {}, []
    for side, runs_per_pod in SIDES.items():
        namespace = f"bench-{side}"
        release.make_namespace(namespace)
        with release.embedded_store() as store:
            delete_tree(store, namespace)  # or an earlier benchmark's runs would not be run
        try:
            seconds[side], status = measure(namespace, runs_per_pod)
            (task,) = status["tasks"]
            bests.append((task["runs"], task["best"]["runId"], task["best"]["value"], task["mean"], task["std"]))
        finally:
            kubectl("delete", "namespace", namespace, "--wait")
    same = "the same best run, mean and deviation" if bests[0] == bests[1] else f"NOT the same: {bests}"
    write_section(
        "runs-per-pod",
        f"## Ten short runs in one pod against ten pods (`runsPerPod`)\n\n{describe()}\n\n"
        f"MiniLM, WNLI of the demo data, 20 steps; from the Job's creation to the end of the report.\n\n"
        f"| runsPerPod | pods (two at a time) | seconds |\n|---|---|---|\n"
        f"| 1 | {RUNS} | {seconds['ten-pods']:.0f} |\n| {RUNS} | 1 | {seconds['one-pod']:.0f} |\n\n"
        f"Metrics: {same} ({bests[0][0]} runs).",
    )
    say(f"{seconds}, {same}")


if __name__ == "__main__":
    main()
