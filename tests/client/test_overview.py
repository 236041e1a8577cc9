"""An object at a glance: the same plain values for terminal and page."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from finetune_cli.shown.objects import list_row, object_list, page
from finetune_client.overview import Mood, Overview, overview
from finetune_client.task_table import task_header, task_rows
from finetune_core.api.crd import experiment_crd, search_crd
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import ExperimentStatus
from finetune_core.tables.experiment import task_header as results_header
from finetune_kube.kinds import EXPERIMENT, SEARCH
from support.experiments import experiment

CRDS = {EXPERIMENT: experiment_crd(ExperimentStatus), SEARCH: search_crd(HPSearchStatus)}
NOW = datetime(2026, 1, 2, tzinfo=UTC)
TASKS = [
    {
        "name": "cola",
        "metric": "matthews_correlation",
        "runs": "2/3",
        "failed": 1,
        "best": {"run": 1, "seed": 7, "value": 0.5612, "step": 400},
        "mean": 0.55,
        "std": 0.0158,
        "score": 56.12,
    },
    {"name": "price", "metric": "loss", "runs": "1/3", "best": {"run": 0, "seed": 3, "value": 0.4321}, "mean": 0.4321},
]


def seen(kind: str = "FinetuneExperiment", **status: Any) -> Overview:
    manifest = experiment("demo")
    manifest["metadata"] |= {"namespace": "team", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 2}
    return overview({**manifest, "kind": kind, "status": status})


def of(status: str, reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Succeeded", "status": status, "reason": reason}], "observedGeneration": 2}


def test_terminal_and_page_write_the_same_figures() -> None:
    it = seen(runs={"summary": "3/6", "failed": 1}, tasks=TASKS, score="56.12 (1/9)", eta="~20m")
    console = Console(width=200)
    with console.capture() as capture:
        console.print(page(it, NOW))
    cola, price = task_rows(it)

    assert " ".join(cola) in " ".join(capture.get().split())
    assert cola == (
        "cola",
        "2/3, 1 failed",
        "matthews_correlation",
        "56.12",
        "55.00 ± 1.58",
        "56.12",
        "1 (seed 7)",
        "400",
    )
    assert price == ("price", "1/3", "loss", "0.4321", "0.4321", "–", "0 (seed 3)", "–")
    assert len(task_header(it)) == len(cola)
    assert [str(cell) for cell in list_row(it, NOW)] == [
        "demo", "Pending", "3/6", "56.12 (1/9)", "~20m", "24h", "hf://org/name"
    ]  # fmt: skip


def test_titles_are_those_of_the_results_and_of_kubectl() -> None:
    results = [title.removesuffix(" (n)") for title in results_header(())]
    assert list(task_header(seen())) == results
    for kind, item in ((EXPERIMENT, seen()), (SEARCH, seen("HPSearch"))):
        printed = Console(width=200)
        with printed.capture() as capture:
            printed.print(object_list([item], NOW))
        titles = re.split(r"\s{2,}", capture.get().splitlines()[0].strip())
        version = CRDS[kind]["spec"]["versions"][0]
        first = [column["name"].upper() for column in version["additionalPrinterColumns"] if not column.get("priority")]
        assert titles == [item.word.upper(), *first, "MODEL"]


def test_a_search_has_its_best_hyperparameters() -> None:
    best = {"trial": 4, "value": 0.7, "hyperparameters": {"learningRate": 3e-5, "maxSteps": 90}}
    task = {"name": "rte", "metric": "accuracy", "trials": "8/16", "best": best}
    it = seen("HPSearch", trials={"summary": "8/16"}, tasks=[task], best="rte 70.00")

    assert (it.word, it.counted, it.percent, it.score) == ("search", "trials", 50, "rte 70.00")
    assert task_rows(it) == (("rte", "8/16", "accuracy", "70.00", "4", "learningRate 3e-05, maxSteps 90", "–"),)


@pytest.mark.parametrize(
    ("status", "mood", "ended"),
    [
        ({}, Mood.IDLE, None),
        (of("True", "AllRunsSucceeded"), Mood.GOOD, True),
        (of("False", "TaskFailed"), Mood.BAD, False),
        (of("Unknown", "Running"), Mood.BUSY, None),
        (of("Unknown", "Stalled"), Mood.STUCK, None),
        (of("Unknown", "Blocked"), Mood.STUCK, None),
        (of("Unknown", "StorageUnavailable"), Mood.STUCK, None),
        (of("Unknown", "Suspended"), Mood.IDLE, None),
        ({**of("True", "AllRunsSucceeded"), "observedGeneration": 1}, Mood.GOOD, None),
    ],
)
def test_it_has_ended_when_the_status_is_of_this_spec(status: dict[str, Any], mood: Mood, ended: bool | None) -> None:
    it = seen(**status)
    assert (it.mood, it.ended) == (mood, ended)


def test_failures_are_sentences_and_their_runs_are_known_unless_some_are_left_out() -> None:
    failure = {"task": "rte", "run": 2, "runId": "rte-2", "reason": "UserError", "message": "no labels"}
    whole, cut = ({"runs": {}, "failures": [failure], **more} for more in ({}, {"failuresOmitted": 5}))

    assert seen(**whole).failures == ("rte run 2: UserError: no labels",)
    assert seen(**whole).failed_runs == {"rte-2"}
    assert seen(**cut).failures[1] == "and 5 more failures"
    assert seen(**cut).failed_runs is None


def test_labels_are_told_so_that_one_can_group_by_them() -> None:
    manifest = experiment("demo")
    manifest["metadata"] |= {"namespace": "team", "labels": {"team": "nlp"}}
    assert overview(manifest).labels == {"team": "nlp"}
    del manifest["metadata"]["labels"]
    assert overview(manifest).labels == {}


@pytest.mark.parametrize(("kind", "counts"), [("FinetuneExperiment", "runs"), ("HPSearch", "trials")])
def test_gpu_hours_are_told_where_there_are_some(kind: str, counts: str) -> None:
    tasks = [
        {"name": "rte", "metric": "accuracy", counts: "1/2", "gpuHours": 2.5},
        {"name": "wnli", "metric": "accuracy"},
    ]
    it = seen(kind, gpuHours=2.5, tasks=tasks)
    console = Console(width=200)
    with console.capture() as capture:
        console.print(page(it, NOW))

    assert "2.5 GPU-hours" in capture.get()
    assert (task_header(it)[-1], [row[-1] for row in task_rows(it)]) == ("GPU-hours", ["2.5", "0"])
    assert "GPU-hours" not in task_header(seen(kind, tasks=[{"name": "rte"}]))
