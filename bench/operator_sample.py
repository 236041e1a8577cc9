"""The operator's own figures: /metrics and the process's memory."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from support.operator_process import OperatorProcess

WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})


@dataclass(frozen=True)
class Sample:
    """The operator's figures at a moment."""

    api: Counter[tuple[str, str]]
    store: Counter[str]
    reconciles: Counter[float]
    errors: int
    living: int
    rss_mib: float

    def since(self, earlier: "Sample") -> "Sample":
        """What happened in between; `living` and `rss_mib` stay those of now."""
        return Sample(
            self.api - earlier.api,
            self.store - earlier.store,
            self.reconciles - earlier.reconciles,
            self.errors - earlier.errors,
            self.living,
            self.rss_mib,
        )

    @property
    def looks(self) -> int:
        """Reconciles, counted."""
        return int(max(self.reconciles.values(), default=0))

    @property
    def writes(self) -> int:
        """Requests that change something in the API server."""
        return sum(count for (verb, _), count in self.api.items() if verb in WRITES)

    def quantile(self, q: float) -> float:
        """Upper bound, in seconds, of the histogram's bucket that holds the quantile; inf beyond the last."""
        return min((bound for bound, count in self.reconciles.items() if count >= q * self.looks), default=0.0)


def sample(operator: OperatorProcess) -> Sample:
    """Read /metrics and the process's memory."""
    api: Counter[tuple[str, str]] = Counter()
    store: Counter[str] = Counter()
    reconciles: Counter[float] = Counter()
    errors, living = 0, 0
    for family in text_string_to_metric_families(operator.get("/metrics")[1]):
        for one in family.samples:
            if one.name == "finetune_api_requests_total":
                api[one.labels["verb"], one.labels["resource"]] += int(one.value)
            elif one.name == "finetune_store_requests_total":
                store[one.labels["operation"]] += int(one.value)
            elif one.name == "finetune_reconcile_seconds_bucket":
                reconciles[float(one.labels["le"])] += int(one.value)
            elif one.name == "finetune_reconcile_errors_total":
                errors += int(one.value)
            elif one.name == "finetune_living_experiments":
                living = int(one.value)
    status = Path(f"/proc/{operator.pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return Sample(api, store, reconciles, errors, living, int(resident) / 1024)
