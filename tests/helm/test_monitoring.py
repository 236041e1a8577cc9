"""Alerts and dashboard: Prometheus reads their queries, and they ask for metrics and labels that the operator has.

What the queries return is in test_queries.py and test_alerts.py.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from finetune_operator.telemetry import Telemetry
from support.helm import render, the
from support.prometheus import ask

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
# Of the pod, by whoever scrapes it; of a histogram's buckets.
GIVEN = {"namespace", "pod", "le"}


def exported() -> dict[str, set[str]]:
    """Name of a metric as Prometheus has it -> its labels."""
    metrics = (value for value in vars(Telemetry()).values() if hasattr(value, "_labelnames"))
    return {
        f"{family.name}{suffix}": {*metric._labelnames, *GIVEN}
        for metric in metrics
        for family in metric.describe()
        for suffix in SUFFIXES[family.type]
    }


def rule() -> dict[str, Any]:
    return the(render(prometheusRule={"enabled": True, "labels": {"release": "prom"}}), "PrometheusRule")


def alerts() -> list[dict[str, Any]]:
    return [alert for group in rule()["spec"]["groups"] for alert in group["rules"]]


def dashboard() -> dict[str, Any]:
    manifests = render(grafanaDashboard={"enabled": True, "annotations": {"grafana_folder": "Training"}})
    config = the(manifests, "ConfigMap")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config["metadata"]["annotations"] == {"grafana_folder": "Training"}
    content: dict[str, Any] = json.loads(config["data"]["finetune-operator.json"])
    return content


def targets() -> Iterator[dict[str, str]]:
    for panel in dashboard()["panels"]:
        yield from panel["targets"]


def unknown(query: str) -> list[str]:
    """Metrics of a query, and labels that it groups by, that the operator does not have."""
    metrics = exported()
    asked = re.findall(r"\b(finetune_[a-z_]+)", query)
    assert asked
    labels = {name.strip() for names in re.findall(r"by \(([^)]*)\)", query) for name in names.split(",")}
    known = set[str]().union(*(metrics.get(name, set()) for name in asked))
    return [*(name for name in asked if name not in metrics), *(labels - known)]


def test_alerts_are_there_where_asked_for_and_prometheus_reads_them() -> None:
    assert "PrometheusRule" not in {manifest["kind"] for manifest in render()}
    assert rule()["metadata"]["labels"]["release"] == "prom"
    assert len(alerts()) == 4
    assert ask(alerts()).problems == []
    for alert in alerts():
        assert unknown(alert["expr"]) == []
        assert 'namespace="system"' in alert["expr"]


def test_the_dashboard_is_there_where_asked_for_and_prometheus_reads_its_queries() -> None:
    assert "ConfigMap" not in {manifest["kind"] for manifest in render()}
    queries = [target["expr"] for target in targets()]
    # As Grafana does before it asks.
    filled = [query.replace("$__rate_interval", "5m").replace("$namespace", "system") for query in queries]
    assert ask({"record": f"panel:{number}", "expr": query} for number, query in enumerate(filled)).problems == []
    assert [name for query in queries for name in unknown(query)] == []
    assert all('namespace="$namespace"' in query for query in queries)


def test_the_dashboard_shows_every_metric() -> None:
    shown = "".join(target["expr"] for target in targets())
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exported()}
    assert [name for name in families if name not in shown] == []


def test_legends_name_labels_of_their_query() -> None:
    for target in targets():
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert named <= {
            name.strip() for names in re.findall(r"by \(([^)]*)\)", target["expr"]) for name in names.split(",")
        }


def test_a_query_that_prometheus_cannot_read_is_found() -> None:
    assert "unclosed left parenthesis" in str(ask([{"record": "a", "expr": "sum(finetune_is_leader"}]).problems)
    assert unknown("sum by (color) (finetune_is_leaders)") == ["finetune_is_leaders", "color"]
