"""The dashboard's panels, by Prometheus' own engine over the operator's own metrics.

What each has to show is worked out by hand, beside it. Two replicas of the release are scraped, and another release
that must not be mixed with it.
"""

import json
from collections.abc import Mapping
from functools import cache

import pytest

from finetune_operator.telemetry import Telemetry
from finetune_operator.telemetry.metrics import MOST_OBJECTS
from support.helm import NAMESPACE, render, the
from support.prometheus import STEP, Scrapes, ask

LEADER, STANDBY = (NAMESPACE, "ft-finetune-operator-a"), (NAMESPACE, "ft-finetune-operator-b")
OTHER = "elsewhere", "ft-finetune-operator-a"
MINUTE = 60
END = 20 * MINUTE

Values = dict[frozenset[tuple[str, str]], float]


@cache
def panels() -> dict[tuple[str, str], str]:
    """(title, legend) -> its query, as Grafana fills it in before it asks."""
    config = the(render(grafanaDashboard={"enabled": True}), "ConfigMap")
    return {
        (panel["title"], target["legendFormat"]): target["expr"]
        .replace("$__rate_interval", "5m")
        .replace("$namespace", NAMESPACE)
        for panel in json.loads(config["data"]["finetune-operator.json"])["panels"]
        for target in panel["targets"]
    }


def values(*found: tuple[Mapping[str, str], float]) -> Values:
    return {frozenset(labels.items()): value for labels, value in found}


def alone(value: float) -> Values:
    return values(({}, value))


SHOWN: dict[tuple[str, str], Values] = {
    ("Leaders", "leaders"): alone(1),
    ("At work", "living"): alone(3),
    ("In the queue", "queue"): alone(2),
    ("Stalled runs", "stalled"): alone(1),
    # Each look was 7 seconds before the scrape.
    ("Last good look", "age"): alone(7),
    ("Experiments at work, and waiting for the operator", "at work"): alone(3),
    ("Experiments at work, and waiting for the operator", "in the queue"): alone(2),
    ("Experiments at work, and waiting for the operator", "stalled runs"): alone(1),
    # 27 of 30 looks take 0.04 s, in the bucket from 0.03 to 0.05; 3 take 0.8 s, in the one from 0.75 to 1. Within a
    # bucket looks count as spread evenly: half of all is 15 of the 27.
    ("Time of one look", "median"): alone(0.03 + 0.02 * 15 / 27),
    ("Time of one look", "95 %"): alone(0.75 + 0.25 * 1.5 / 3),
    ("Time of one look", "99 %"): alone(0.75 + 0.25 * 2.7 / 3),
    # A second: 30 looks in 30 s, and so on.
    ("Looks", "looks"): alone(1),
    ("Looks", "error: {{error}}"): values(({"error": "ApiUnavailableError"}, 0.1)),
    ("Requests to the API server", "{{verb}} {{resource}}"): values(
        ({"verb": "get", "resource": "jobs"}, 0.2), ({"verb": "patch", "resource": "jobs"}, 0.1)
    ),
    ("Requests to object stores", "{{operation}}"): values(({"operation": "list"}, 0.4)),
    ("Namespaces that another release manages", "{{watched_namespace}}: {{release}}"): values(
        ({"watched_namespace": "shared", "release": "system/ft2"}, 1)
    ),
    ("GPU-hours of living experiments and searches", "{{kind}} {{watched_namespace}}/{{name}}"): values(
        ({"kind": "FinetuneExperiment", "watched_namespace": "team", "name": "first"}, 2),
        ({"kind": "HPSearch", "watched_namespace": "team", "name": "hunt"}, 0.5),
    ),
    ("Notifications", "{{outcome}}"): values(({"outcome": "delivered"}, 0.1), ({"outcome": "failed"}, 0.2)),
}


def at_work(telemetry: Telemetry, at: int, *, factor: int = 1) -> None:
    """What the leader does in STEP seconds; `factor`: another release does as much more."""
    telemetry.leader.set(1)
    telemetry.living.set(3 * factor)
    telemetry.queue_length.set(2 * factor)
    telemetry.stalled.set(1 * factor)
    telemetry.last_success.set(at - 7 * factor)
    for _ in range(27 * factor):
        telemetry.reconcile_seconds.observe(0.04)
    for _ in range(3 * factor):
        telemetry.reconcile_seconds.observe(0.8)
    telemetry.reconcile_errors.labels(error="ApiUnavailableError").inc(3 * factor)
    for verb, count in (("get", 6), ("patch", 3)):
        for _ in range(count * factor):
            telemetry.count_request(verb, "jobs")
    for _ in range(12 * factor):
        telemetry.count_store_request("list")
    for outcome, count in (("delivered", 3), ("failed", 6)):
        for _ in range(count * factor):
            telemetry.count_notification(outcome)
    telemetry.show_others({"shared": "system/ft2"})
    spent = {
        ("FinetuneExperiment", "team", "first"): 7200.0 * factor,
        ("HPSearch", "team", "hunt"): 1800.0 * factor,
        # It ended at ten minutes: its figure goes with it.
        **({("FinetuneExperiment", "team", "over"): 3600.0} if at < 10 * MINUTE else {}),
    }
    telemetry.show_gpu_seconds(spent)


@cache
def shown() -> dict[tuple[str, str], Values]:
    """What each panel's query returns at the end."""
    leader, standby, other, scrapes = Telemetry(), Telemetry(), Telemetry(), Scrapes()
    for at in range(0, END + 1, STEP):
        at_work(leader, at)
        at_work(other, at, factor=5)
        standby.leader.set(0)
        scrapes.take(at, {LEADER: leader, STANDBY: standby, OTHER: other})
    queries = panels()
    told = ask((), scrapes, [(query, END) for query in queries.values()])
    assert told.problems == []
    return dict(zip(queries, told.results, strict=True))


@pytest.mark.parametrize("panel", SHOWN, ids=" / ".join)
def test_a_panel_shows_what_there_is(panel: tuple[str, str]) -> None:
    assert shown()[panel].keys() == SHOWN[panel].keys()
    for labels, value in SHOWN[panel].items():
        assert shown()[panel][labels] == pytest.approx(value)


def test_every_panel_is_tried() -> None:
    assert panels().keys() == SHOWN.keys()


def test_gpu_hours_are_of_a_bounded_number_of_objects_and_add_up() -> None:
    leader, scrapes = Telemetry(), Scrapes()
    leader.show_gpu_seconds({("FinetuneExperiment", "team", f"e{index}"): 3600.0 for index in range(MOST_OBJECTS + 50)})
    scrapes.take(0, {LEADER: leader})
    title = "GPU-hours of living experiments and searches"
    query = panels()[title, "{{kind}} {{watched_namespace}}/{{name}}"]

    (found,) = ask((), scrapes, [(query, 0)]).results

    assert len(found) == MOST_OBJECTS + 1
    assert sum(found.values()) == MOST_OBJECTS + 50
