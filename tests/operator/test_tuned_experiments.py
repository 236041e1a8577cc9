"""Experiments that take their hyperparameters from a search, a ConfigMap or a folder."""

from typing import Any

import pytest

from finetune_core.json_types import Json
from support.search_world import SearchWorld, search_spec
from support.world import BUCKET, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

FROM_SEARCH = {"hyperparametersFrom": {"hpSearchRef": {"name": "hunt"}}}


def tuned_spec(world: SearchWorld, source: Json = FROM_SEARCH, **fields: Any) -> Json:
    return spec_of(world.server, {"rte": 1, "wnli": 1}, **source, **fields)


def searched(world: SearchWorld, **fields: Any) -> Json:
    """A search on rte that has ended; its best hyperparameters."""
    world.apply_search("hunt", search_spec(world.server, **fields))
    world.search_to_the_end("hunt")
    best: Json = world.search_status("hunt")["tasks"][0]["best"]
    return best


def test_an_experiment_waits_for_the_search_and_says_so(searching: SearchWorld) -> None:
    searching.apply("exp", tuned_spec(searching))
    assert searching.look("exp") is not None
    assert searching.reason("exp") == "WaitingForHyperparameters"
    assert "HPSearch hunt is not in namespace" in searching.condition("exp", "Succeeded")["message"]

    searching.apply_search("hunt", search_spec(searching.server))
    searching.look_at_search("hunt")
    searching.look("exp")
    assert "Waiting for HPSearch hunt to end (0/3" in searching.condition("exp", "Succeeded")["message"]
    assert searching.jobs("exp") == []


def test_the_best_of_each_task_is_used_and_recorded(searching: SearchWorld) -> None:
    best = searched(searching)
    searching.apply("exp", tuned_spec(searching))
    searching.look("exp")
    plan = searching.plan("exp")
    rte = plan.tasks["rte"]
    assert rte.settings.learning_rate == pytest.approx(best["hyperparameters"]["learningRate"])
    assert rte.settings.max_steps == best["hyperparameters"]["maxSteps"]
    assert rte.hyperparameters_source is not None
    assert f"HPSearch hunt trial {best['trial']} ({best['trialId']})" in rte.hyperparameters_source
    status = searching.status("exp")
    assert status["hyperparameters"]["source"] == "HPSearch hunt"
    assert status["hyperparameters"]["newerAvailable"] is False
    assert plan.tasks["wnli"].hyperparameters_source is None
    assert "wnli: not covered by HPSearch hunt; the spec's own values are used" in status["warnings"]


def test_the_specs_own_values_of_a_task_win_over_tuned_ones(searching: SearchWorld) -> None:
    best = searched(searching)
    spec = tuned_spec(searching, training={"maxSteps": 11, "evalSteps": 11})
    spec["tasks"][0]["training"] = {"learningRate": 0.5}
    spec["training"].pop("evalSteps")
    searching.apply("exp", spec)
    searching.look("exp")
    rte = searching.plan("exp").tasks["rte"].settings
    assert rte.learning_rate == 0.5
    assert rte.max_steps == best["hyperparameters"]["maxSteps"]


def test_a_proxied_task_takes_the_values_of_the_one_that_was_searched(searching: SearchWorld) -> None:
    spec = search_spec(searching.server)
    spec["tasks"] = [{"name": "rte", "proxyFor": ["wnli"]}]
    searching.apply_search("hunt", spec)
    searching.search_to_the_end("hunt")
    searching.apply("exp", tuned_spec(searching))
    searching.look("exp")
    tasks = searching.plan("exp").tasks
    assert tasks["wnli"].settings.learning_rate == tasks["rte"].settings.learning_rate
    assert "of rte, which stands in for it," in (tasks["wnli"].hyperparameters_source or "")


def test_a_search_over_another_model_is_refused_unless_told_to_take_it(searching: SearchWorld) -> None:
    searched(searching)
    for key, content in {"config.json": b"{}", "model.safetensors": b"other weights"}.items():
        searching.store_root.put(f"other-model/{key}", content)
    spec = tuned_spec(searching)
    spec["model"] = {"uri": "s3://results/other-model"}
    searching.apply("exp", spec)
    assert searching.look("exp") is not None
    valid = searching.condition("exp", "Valid")
    assert valid["status"] == "False"
    assert "set allowOtherModel: true" in valid["message"]

    spec["hyperparametersFrom"] = {"hpSearchRef": {"name": "hunt", "allowOtherModel": True}}
    searching.apply("exp", spec)
    searching.look("exp")
    assert searching.condition("exp", "Valid")["status"] == "True"
    assert len(searching.jobs("exp", "train")) == 1


def test_pinned_values_stay_when_the_search_goes_on(searching: SearchWorld) -> None:
    searched(searching)
    searching.apply("exp", tuned_spec(searching))
    searching.look("exp")
    pinned = searching.plan("exp").tuned
    searching.apply_search("hunt", search_spec(searching.server, trials=40))
    searching.search_to_the_end("hunt")
    searching.restart()
    searching.look("exp")
    assert searching.plan("exp").tuned == pinned
    assert searching.status("exp")["hyperparameters"]["newerAvailable"] is True

    searching.delete("exp")
    searching.look("exp")
    searching.apply("exp", tuned_spec(searching, runs=2))
    searching.look("exp")
    assert searching.plan("exp").tuned == pinned


def test_pinned_values_outlive_the_search(searching: SearchWorld) -> None:
    searched(searching)
    searching.apply("exp", tuned_spec(searching))
    searching.look("exp")
    searching.delete_search("hunt")
    searching.restart()
    searching.to_the_end("exp")
    assert searching.reason("exp") == "AllRunsSucceeded"


def test_a_config_map_serves_as_well(searching: SearchWorld) -> None:
    source = {"hyperparametersFrom": {"configMapRef": {"name": "values", "key": "all.yaml"}}}
    searching.apply("exp", tuned_spec(searching, source))
    searching.look("exp")
    assert searching.reason("exp") == "WaitingForHyperparameters"
    waiting = f"ConfigMap values is not in namespace {searching.namespace}: create it."
    assert waiting in searching.condition("exp", "Succeeded")["message"]
    assert searching.jobs("exp") == []
    text = "rte:\n  learningRate: 5e-5\n  maxSteps: 77\n"
    searching.core.create_namespaced_config_map(
        searching.namespace, {"metadata": {"name": "values"}, "data": {"all.yaml": text}}
    )
    searching.look("exp")
    settings = searching.plan("exp").tasks["rte"].settings
    assert (settings.learning_rate, settings.max_steps) == (5e-5, 77)


def test_the_folder_that_a_search_exports_serves_as_well(searching: SearchWorld) -> None:
    best = searched(searching)
    uri = searching.search_status("hunt")["results"]["hyperparameters"]
    searching.apply("exp", tuned_spec(searching, {"hyperparametersFrom": {"uri": uri}}))
    searching.look("exp")
    settings = searching.plan("exp").tasks["rte"].settings
    assert settings.learning_rate == pytest.approx(best["hyperparameters"]["learningRate"])


def test_a_folder_without_values_is_waited_for(searching: SearchWorld) -> None:
    uri = f"s3://{BUCKET}/values"
    searching.apply("exp", tuned_spec(searching, {"hyperparametersFrom": {"uri": uri}}))
    searching.look("exp")
    assert searching.reason("exp") == "WaitingForHyperparameters"
    assert f"No <task>.yaml lies at {uri}" in searching.condition("exp", "Succeeded")["message"]


def test_a_file_of_values_that_is_no_text_is_told(searching: SearchWorld) -> None:
    searching.store_root.put("values/rte.yaml", b"\xff\xfe\x00")
    uri = f"s3://{BUCKET}/values"
    searching.apply("exp", tuned_spec(searching, {"hyperparametersFrom": {"uri": uri}}))
    searching.look("exp")
    assert "is no text: remove it, or save it as UTF-8" in searching.condition("exp", "Valid")["message"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("rte: {learningRat: 1}", "learningRat: no training argument"), ("rte: {maxSteps: 0}", "maxSteps: ")],
)
def test_values_that_are_no_training_arguments_are_told(searching: SearchWorld, text: str, expected: str) -> None:
    searching.core.create_namespaced_config_map(searching.namespace, {"metadata": {"name": "v"}, "data": {"k": text}})
    source = {"hyperparametersFrom": {"configMapRef": {"name": "v", "key": "k"}}}
    searching.apply("exp", tuned_spec(searching, source))
    assert searching.look("exp") is not None
    valid = searching.condition("exp", "Valid")
    assert valid["status"] == "False"
    assert expected in valid["message"]
