"""What the operator makes of objects in the store that somebody else wrote."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from finetune_core.api import ExperimentSpec, HyperparametersFrom
from finetune_core.deciding.executor import JOB
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.inputs import Folder
from finetune_core.planning.plan import Plan, pin_key
from finetune_core.planning.tuned import TunedTasks
from finetune_operator.children.reader import Children
from finetune_operator.kinds.experiment_observer import Observer
from finetune_operator.manifests import Owner
from finetune_operator.memory import Memory
from finetune_store import DirectoryStore
from finetune_work.plans import experiment_plan
from support.hostile_text import JSON_BOMBS
from support.report_store import RecordingStore, finish_run, layout_of
from support.results import MODEL, plan_of

OWNER = Owner("team", "demo", "uid-1")
SPEC = ExperimentSpec.model_validate({"model": {"uri": MODEL.uri}, "tasks": [{"name": "rte", "runs": 2}]})


class Sources:
    """Every input is there; `looks` counts how often the model is looked at."""

    looks = 0

    def look(self, uri: str, *, field: str, kind: str) -> Folder:
        self.looks += kind == "model"
        return Folder(commit="c" * 40)


def planned(store: DirectoryStore) -> tuple[Plan, int]:
    """The plan in force, and how often the inputs were looked at for it."""
    sources = Sources()
    layout = ExperimentLayout(OWNER.namespace, OWNER.name)
    pin = pin_key(SPEC, OWNER.uid)
    return experiment_plan(SPEC, layout, store, pin=pin, sources=sources, read_tuned=no_tuned), sources.looks


def no_tuned(_source: HyperparametersFrom) -> TunedTasks:
    raise AssertionError


@pytest.mark.parametrize("foreign", [{"namespace": "victim"}, {"experiment": "prod"}])
def test_a_plan_of_another_experiment_with_the_right_pin_is_made_anew(tmp_path: Path, foreign: dict[str, str]) -> None:
    store = RecordingStore(tmp_path)
    plan = plan_of({"rte": 2}).model_copy(update={"resolved_for": pin_key(SPEC, OWNER.uid), **foreign})
    store.put("team/demo/plan.json", plan.to_bytes())
    store.writes.clear()

    made, asked = planned(store)

    assert (made.namespace, made.experiment, asked) == ("team", "demo", 1)
    assert store.writes == [("put", "team/demo/plan.json")]


@pytest.mark.parametrize("content", JSON_BOMBS.values(), ids=JSON_BOMBS)
def test_a_plan_that_is_none_is_made_anew(tmp_path: Path, content: bytes) -> None:
    store = DirectoryStore(tmp_path)
    store.put("team/demo/plan.json", content)
    assert planned(store)[1] == 1
    assert planned(store)[1] == 0


class NoChildren:
    """No Job and no pod."""

    def jobs(self) -> tuple[Any, ...]:
        return ()

    def pods(self) -> tuple[Any, ...]:
        return ()

    def hindered(self) -> tuple[Any, ...]:
        return ()


@pytest.mark.parametrize(
    "change", [{"runId": "x"}, {"task": "wnli"}, {"run": 1}, {"attempt": "../../x"}, {"step": 10**400}, {"metrics": []}]
)
def test_a_result_that_is_not_the_runs_own_is_named_and_counts_as_none(tmp_path: Path, change: dict[str, Any]) -> None:
    store = DirectoryStore(tmp_path)
    plan = plan_of({"rte": 1})
    result = finish_run(store, plan, "rte", 0, 0.6)
    key = layout_of(plan).run("rte", result.run_id).result
    store.put(key, json.dumps({**json.loads(store.get(key)), **change}).encode())

    seen = Observer(cast(Children, NoChildren()), Memory()).observe(
        store, plan, SPEC.execution, JOB, "template", now=0.0
    )

    assert seen.outcomes == {}
    assert key in seen.unreadable[result.run_id]
