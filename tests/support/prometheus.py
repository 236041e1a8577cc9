"""What Prometheus makes of the operator's /metrics: rules and queries, by its own engine, over scrapes of any number of
minutes that pass in no time.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from prometheus_client import generate_latest

from finetune_dev import binaries
from finetune_operator.telemetry import Telemetry

STEP = 30
"""Seconds between two scrapes, and between two evaluations of the rules."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Fired:
    """An alert that fired at an evaluation."""

    at: int
    name: str
    labels: Mapping[str, str]
    summary: str


@dataclass
class Told:
    """What Prometheus said: what is wrong with rules, the values of each query by its labels, what fired and when."""

    problems: list[str]
    results: list[dict[frozenset[tuple[str, str]], float]]
    fired: list[Fired]

    def times(self, alert: str) -> list[int]:
        """When an alert fired, in seconds."""
        return [one.at for one in self.fired if one.name == alert]


@dataclass
class Scrapes:
    """Scrapes of the operator's pods, in the order of time."""

    kept: list[dict[str, Any]] = field(default_factory=list)

    def take(self, at: int, pods: Mapping[tuple[str, str], Telemetry | None]) -> None:
        """Each pod (namespace, name) answers with its metrics; None: it does not answer."""
        for (namespace, pod), telemetry in pods.items():
            text = generate_latest(telemetry.registry).decode() if telemetry else None
            self.kept.append(
                {"at": at, "labels": {"namespace": namespace, "pod": pod, "job": "operator"}, "text": text}
            )


def ask(rules: Iterable[Json], scrapes: Scrapes | None = None, queries: Iterable[tuple[str, int]] = ()) -> Told:
    """Rules evaluated at each STEP, then queries at their times; problems alone where there are no scrapes."""
    asked = {
        "rules": yaml.safe_dump({"groups": [{"name": "all", "rules": list(rules)}]}),
        "interval": STEP,
        "scrapes": scrapes.kept if scrapes else [],
        "queries": [{"expr": expression, "at": at} for expression, at in queries],
    }
    done = subprocess.run(
        [binaries.ensure("promrules")], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    return Told(
        problems=told["problems"],
        results=[{_labels(one): float(one["value"]) for one in found} for found in told["results"]],
        fired=[Fired(one["at"], one["labels"]["alertname"], one["labels"], one["summary"]) for one in told["firing"]],
    )


def _labels(one: Json) -> frozenset[tuple[str, str]]:
    return frozenset(one["labels"].items())
