"""What the campaign disturbs: an experiment and a search, and the changes of their specs."""

import copy
from dataclasses import dataclass, field
from typing import Any

from chaos.observed import Json, Look
from e2e.harness import ONE_THREAD, SHORT, SMALL_GLUE, TINY_MODEL, Experiment, condition_of, reason, spec

LEASE_SECONDS = 20
FEWER_RUNS, MORE_RUNS = 2, 3
"""Runs a task; the undisturbed experiment has all that any spec of the campaign asks for."""

_EXECUTION: Json = {
    "retries": 20,
    # Faults are to meet runs at work.
    "reuse": "Experiment",
    "runsPerPod": 2,
    "parallelism": 2,
    "terminationGracePeriodSeconds": 20,
    "checkpointIntervalSeconds": 5,
    "resources": {"requests": {"cpu": "300m"}},
    "podTemplate": {"env": [ONE_THREAD, {"name": "FINETUNE_LEASE_SECONDS", "value": str(LEASE_SECONDS)}]},
}


def experiment_spec(runs: int) -> Json:
    """Two tasks whose runs take some seconds, so that faults meet them at work."""
    training = {**SHORT, "maxSteps": 400, "evalSteps": 100}
    return spec(["rte", "wnli"], runs=runs, training=training, execution=_EXECUTION)


def search_spec() -> Json:
    """Random trials, which do not depend on each other, by two drivers."""
    return {
        "model": {"uri": TINY_MODEL},
        "data": {"uri": SMALL_GLUE},
        "tasks": [{"name": "rte"}],
        "space": {"learningRate": {"logUniform": [1e-4, 1e-2]}, "maxSteps": {"int": [150, 300]}},
        "training": {"evalSteps": 50, "trainBatchSize": 8, "maxSeqLength": 32},
        "algorithm": "Random",
        "trials": 4,
        "clusters": 2,
        "execution": {name: value for name, value in _EXECUTION.items() if name != "runsPerPod"},
    }


@dataclass
class Subject:
    """One object under test, with the spec that it has now; `runs` is 0 for a search."""

    handle: Experiment
    spec: Json
    runs: int = 0
    tokens: int = field(default=0)

    def apply(self, **execution: Any) -> None:
        """Have the API server take the present spec, with fields of `execution` for the moment."""
        wanted = copy.deepcopy(self.spec)
        wanted["execution"] |= execution
        self.handle.apply(wanted)

    def change_runs(self) -> None:
        """More runs, or fewer again."""
        self.runs = MORE_RUNS if self.runs == FEWER_RUNS else FEWER_RUNS
        self.spec["runs"] = self.runs
        self.apply()

    def change_values(self) -> None:
        """Another learning rate, for the moment."""
        wanted = copy.deepcopy(self.spec)
        wanted["training"]["learningRate"] *= 2
        self.handle.apply(wanted)

    def renew_token(self) -> None:
        """Ask for another try."""
        self.tokens += 1
        self.spec["execution"] = {**self.spec["execution"], "retryToken": str(self.tokens)}
        self.apply()

    def reason(self, look: Look) -> str:
        """The STATUS column; "" while the API server does not answer or the present spec was not looked at."""
        status = self.status(look)
        return reason(status) if status else ""

    def message(self, look: Look) -> str:
        """What STATUS means in words."""
        return str(condition_of(self.status(look), "Succeeded").get("message"))

    def last_reason(self, look: Look) -> str:
        """The STATUS column, be it of a spec before the present one."""
        return reason((look.owners or {}).get(self.handle.name, {}).get("status") or {})

    def finished(self, look: Look) -> bool:
        """Whether nothing more will happen, of the present spec."""
        conditions = self.status(look).get("conditions") or ()
        return any(one["type"] == "Finished" and one["status"] == "True" for one in conditions)

    def status(self, look: Look) -> Json:
        """The status of the present spec; {} where there is none yet."""
        found = (look.owners or {}).get(self.handle.name) or {}
        status: Json = found.get("status") or {}
        return status if status.get("observedGeneration") == found.get("metadata", {}).get("generation") else {}
