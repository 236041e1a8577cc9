"""Prometheus metrics and health of the operator."""

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)

MOST_OBJECTS = 100
"""So many time series there are at most of what is counted by experiment or search."""


class Telemetry:
    """All metrics, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconcile_seconds = Histogram(
            "finetune_reconcile_seconds", "Time of one reconcile.", buckets=_BUCKETS, registry=self.registry
        )
        self.reconcile_errors = Counter(
            "finetune_reconcile_errors_total", "Reconciles that ended in an error.", ["error"], registry=self.registry
        )
        self.api_requests = Counter(
            "finetune_api_requests_total", "Requests to the API server.", ["verb", "resource"], registry=self.registry
        )
        self.store_requests = Counter(
            "finetune_store_requests_total", "Requests to object stores.", ["operation"], registry=self.registry
        )
        self.notifications = Counter(
            "finetune_notifications_total",
            "Attempts to send a notification: delivered or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.queue_length = Gauge(
            "finetune_queue_length", "Experiments that wait or are worked on.", registry=self.registry
        )
        self.living = Gauge(
            "finetune_living_experiments", "Experiments that have not ended and are remembered.", registry=self.registry
        )
        self.stalled = Gauge(
            "finetune_stalled_runs",
            "Runs at work, and pods that report or look at volumes, that have given no sign of life for minutes.",
            registry=self.registry,
        )
        self.gpu_seconds = Gauge(
            "finetune_gpu_seconds",
            f"GPU time that living experiments and searches took so far: the {MOST_OBJECTS} that took most, by name.",
            ["kind", "watched_namespace", "name"],
            registry=self.registry,
        )
        self.leader = Gauge(
            "finetune_is_leader", "1 where this replica leads, 0 where it stands by.", registry=self.registry
        )
        self.others = Gauge(
            "finetune_namespace_of_other_release",
            "1 for a watched namespace that another release manages.",
            # `namespace` is what scrapers call the place of the operator's pod.
            ["watched_namespace", "release"],
            registry=self.registry,
        )
        self.last_success = Gauge(
            "finetune_last_successful_reconcile_timestamp_seconds", "Unix time.", registry=self.registry
        )

    def show_gpu_seconds(self, spent: Mapping[tuple[str, str, str], float]) -> None:
        """The GPU time of each (kind, namespace, name); of those that took least only the sum, under no name."""
        self.gpu_seconds.clear()
        largest = sorted(spent, key=lambda key: (-spent[key], key))
        for kind, namespace, name in largest[:MOST_OBJECTS]:
            self.gpu_seconds.labels(kind=kind, watched_namespace=namespace, name=name).set(spent[kind, namespace, name])
        if rest := largest[MOST_OBJECTS:]:
            self.gpu_seconds.labels(kind="", watched_namespace="", name="").set(sum(spent[key] for key in rest))

    def show_others(self, releases: Mapping[str, str]) -> None:
        """The release that manages a namespace, for those that are not this one's."""
        self.others.clear()
        for namespace, release in releases.items():
            self.others.labels(watched_namespace=namespace, release=release).set(1)

    def count_request(self, verb: str, resource: str) -> None:
        """One request to the API server."""
        self.api_requests.labels(verb=verb, resource=resource).inc()

    def count_store_request(self, operation: str) -> None:
        """One request to an object store."""
        self.store_requests.labels(operation=operation).inc()

    def count_notification(self, outcome: str) -> None:
        """One attempt to send a notification."""
        self.notifications.labels(outcome=outcome).inc()


class Health:
    """Healthy as long as reconciles succeed, or there is nothing to reconcile.

    `stale_after` seconds without a success while work is overdue mean that the operator hangs or can do nothing.
    """

    def __init__(self, *, stale_after: float = 300.0) -> None:
        self._stale_after = stale_after
        self._last_success = time.monotonic()

    def succeeded(self) -> None:
        """A reconcile came to its end, or there was none to be done until now."""
        self._last_success = time.monotonic()

    def problem(self, *, waiting: int, overdue: float) -> str | None:
        """Why the operator is unhealthy; `overdue` is how long the oldest due item waits, in seconds."""
        age = time.monotonic() - self._last_success
        if waiting and min(age, overdue) > self._stale_after:
            return f"no successful reconcile for {age:.0f} s while {waiting} experiments wait"
        return None
