"""Trackers are no part of what a run is, and reach the trainer by its environment."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from finetune_core.api import ExperimentSpec, Tracker, Tracking
from finetune_core.planning.plan import make_plan, pin_key
from finetune_core.tracking import TRACKING_ENV, TrackedRun, from_env, to_env
from support.results import MODEL, plan_of

RUN = TrackedRun("team", "exp", "rte", "0123456789abcdef", 1, 7, "attempt-1", "s3://bucket/bert")
trackings = st.builds(
    lambda trackers, project: Tracking(report_to=tuple(trackers), project=project),
    st.lists(st.sampled_from(Tracker), min_size=1, unique=True),
    st.none() | st.text(min_size=1, max_size=128),
)


def spec(**fields: Any) -> ExperimentSpec:
    return ExperimentSpec.model_validate({"model": {"uri": "s3://bucket/bert"}, **fields})


def test_it_is_off_unless_chosen() -> None:
    assert spec().tracking is None
    assert to_env(None) == {}
    assert from_env({}) is None


@given(trackings)
def test_switching_it_on_changes_neither_the_plan_nor_what_its_inputs_are_pinned_for(tracking: Tracking) -> None:
    tasks = plan_of({"rte": 1}).tasks
    facts: dict[str, Any] = {"namespace": "n", "name": "e", "model": MODEL, "tasks": tasks, "runs": {"rte": 2}}
    off, on = spec(), spec(tracking=tracking)
    assert make_plan(on, **facts).to_bytes() == make_plan(off, **facts).to_bytes()
    assert pin_key(on, "uid") == pin_key(off, "uid")


@given(trackings)
def test_a_trainer_reads_from_its_environment_what_the_spec_says(tracking: Tracking) -> None:
    assert from_env(to_env(tracking)) == tracking


def test_what_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValidationError):
        from_env({TRACKING_ENV: '{"reportTo": ["comet_ml"]}'})


def test_a_run_is_named_by_task_and_id_and_filed_under_its_experiment() -> None:
    assert (RUN.name, RUN.project) == ("rte/0123456789abcdef", "team/exp")
    assert RUN.facts.items() >= {"task": "rte", "seed": "7", "runId": "0123456789abcdef"}.items()
