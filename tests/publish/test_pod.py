"""What a pod of `spec.publish` does: the very command of its Job, against places of this machine. The hub is a fake."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune_core.api import Execution, Publication, Storage
from finetune_core.deciding.actions import CreatePublishJob
from finetune_core.deciding.outcome import Outcome
from finetune_core.publishing.orders import Publications, wanted
from finetune_core.results.run import ExitCode, RunResult
from finetune_core.results.schema import ResultsDocument
from finetune_operator.manifests import Owner, PodSettings, publish_job
from finetune_publish import pod
from finetune_release.facts import Registry
from finetune_report.build import build
from finetune_store import documents
from support.filled_store import no_data
from support.model_hub import ModelHub, running_model_hub
from support.oci_registry import running_registry
from support.report_store import layout_of

from .conftest import Experiment, Keys, Run, finish
from .test_registry import manifest

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

Json = dict[str, Any]
Publishes = Callable[..., int]


def ordered(experiment: Experiment, **entry: Any) -> CreatePublishJob:
    """What the operator would order of the results that lie in the store."""
    layout, plan = layout_of(experiment.plan), experiment.plan
    results = (documents.find(experiment.store, layout.run(r.task, r.run_id).result, RunResult) for r in plan.runs)
    outcomes = {result.run_id: Outcome.of(result) for result in results if result is not None}
    report = documents.read(experiment.store, layout.results("json"), ResultsDocument)
    publication = Publication.model_validate({"name": "place", **entry})
    (one,) = wanted((publication,), plan, outcomes)
    assert report.report_digest
    return CreatePublishJob("demo-publish-1", "1", report.report_digest, publication, one.models)


def command_of(experiment: Experiment, order: CreatePublishJob) -> list[str]:
    """The command of its pod, as the operator builds it and Kubernetes fills it in."""
    settings = PodSettings(
        execution=Execution(),
        storage=Storage(bucket="bucket"),
        default_image="trainer",
        default_pull_policy=None,
        claims=(),
        log_format="text",
        operator_image="operator",
    )
    made = publish_job(Owner(experiment.plan.namespace, experiment.plan.experiment, "uid"), settings, order)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    program, *arguments = container["command"]
    assert program == "finetune-publish"
    return [text.replace("$(FINETUNE_ATTEMPT)", "a-pod").replace("$$", "$") for text in arguments]


@pytest.fixture
def last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pod's termination message."""
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setattr(pod, "TERMINATION_LOG", path)
    return path


@pytest.fixture
def publishes(experiment: Experiment, last_words: Path, monkeypatch: pytest.MonkeyPatch) -> Publishes:
    """Do what the pod of an entry does; its exit code."""
    monkeypatch.setenv("FINETUNE_STORE", experiment.root.as_uri())
    assert last_words.exists()

    def publish(order: CreatePublishJob | None = None, **entry: Any) -> int:
        return pod.main(command_of(experiment, order or ordered(experiment, **entry)))

    return publish


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with running_registry() as running:
        yield running


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelHub]:
    with running_model_hub() as running:
        running.is_the_hub(monkeypatch, tmp_path / "cache")
        yield running


def record(experiment: Experiment) -> Publications:
    return documents.read(experiment.store, layout_of(experiment.plan).published("place"), Publications)


def told(last_words: Path) -> str:
    return str(json.loads(last_words.read_text())["message"])


def test_the_best_run_of_each_task_goes_to_the_hub_once(
    hub: ModelHub, experiment: Experiment, publishes: Publishes
) -> None:
    assert publishes(to="hf://team/bert-{task}", license="mit") == ExitCode.SUCCESS
    assert set(hub.repositories) == {"team/bert-rte", "team/bert-cola"}
    assert hub.files("team/bert-rte")["model.safetensors"].endswith(b"rte1")
    commits = hub.repositories["team/bert-rte"].branches["main"]
    there = record(experiment).pushed["hf://team/bert-rte"]
    assert (there.task, there.run, there.uri) == ("rte", 1, f"hf://team/bert-rte@{commits[-1][0]}")
    assert not record(experiment).begun

    before = len(commits)
    assert publishes(to="hf://team/bert-{task}", license="mit") == ExitCode.SUCCESS
    assert len(hub.repositories["team/bert-rte"].branches["main"]) == before


def test_a_manifest_that_serves_it_lies_in_the_store(
    hub: ModelHub, experiment: Experiment, publishes: Publishes
) -> None:
    assert publishes(to="hf://team/x", tasks=["rte"]) == ExitCode.SUCCESS
    key = f"{layout_of(experiment.plan).root}/published/place/demo-rte-1.inferenceservice.yaml"
    commit = hub.repositories["team/x"].branches["main"][-1][0]
    assert f"hf://team/x:{commit}" in experiment.store.get(key).decode()


def better(experiment: Experiment) -> None:
    """Run 2 of RTE turns out to be better than run 1."""
    finish(experiment.store, experiment.plan, "rte", 2, 0.9)
    build(experiment.store, experiment.plan, (), open_data=no_data, plots=False)


def test_a_better_run_replaces_the_tag_that_was_published_from_here(
    registry: Registry,
    experiment: Experiment,
    publishes: Publishes,
    run: Run,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FINETUNE_SIGNING_KEY", str(keys.private))
    entry: Json = {"to": f"oci://{registry.place}/better:v1", "tasks": ["rte"], "plainHttp": True}
    assert publishes(**entry) == ExitCode.SUCCESS
    (first,) = record(experiment).pushed.values()
    better(experiment)
    assert publishes(**entry) == ExitCode.SUCCESS
    (second,) = record(experiment).pushed.values()
    assert (first.run, second.run) == (1, 2)
    assert second.uri != first.uri
    version = manifest(registry, "better", "v1")["annotations"]["org.opencontainers.image.version"]
    assert version == second.run_id
    for uri in (first.uri, second.uri):
        assert run("verify", uri, "--plain-http", "--key", str(keys.public)).code == 0


def test_a_tag_of_somebody_elses_is_left_alone(
    registry: Registry, experiment: Experiment, publishes: Publishes, last_words: Path, run: Run
) -> None:
    to = f"oci://{registry.place}/taken:v1"
    assert run("publish", "demo", "--to", to, "--plain-http", "--task", "cola", *experiment.options).code == 0
    entry: Json = {"to": to, "tasks": ["rte"], "plainHttp": True}
    assert publishes(**entry) == ExitCode.USER_ERROR
    assert "is there already" in told(last_words)
    assert "replace: true" in told(last_words)
    assert publishes(**entry, replace=True) == ExitCode.SUCCESS


def test_a_push_that_was_cut_off_before_its_record_is_done_again(
    registry: Registry, experiment: Experiment, publishes: Publishes, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUNE_SIGNING_KEY", str(keys.private))
    entry: Json = {"to": f"oci://{registry.place}/cut:v1", "tasks": ["rte"], "plainHttp": True}
    kept = Publications.with_pushed
    monkeypatch.setattr(Publications, "with_pushed", lambda *_: (_ for _ in ()).throw(SystemExit(137)))
    with pytest.raises(SystemExit):
        publishes(**entry)
    assert manifest(registry, "cut", "v1")
    assert record(experiment).begun == (entry["to"],)
    monkeypatch.setattr(Publications, "with_pushed", kept)
    assert publishes(**entry) == ExitCode.SUCCESS
    assert not record(experiment).begun


def test_a_place_that_is_away_is_tried_again_and_the_others_are_published(
    hub: ModelHub, experiment: Experiment, publishes: Publishes, last_words: Path
) -> None:
    away = {"to": "oci://localhost:1/team/{task}:v1", "plainHttp": True}
    assert publishes(**away) == ExitCode.RETRY
    assert "cannot be reached" in told(last_words)
    assert json.loads(last_words.read_text())["reason"] == "PlaceUnavailable"


def test_one_model_that_is_refused_keeps_no_other_back(
    hub: ModelHub, experiment: Experiment, publishes: Publishes, last_words: Path
) -> None:
    experiment.store.put(f"{experiment.model_key('rte', 1)}/model.safetensors", b"changed")
    assert publishes(to="hf://team/{task}") == ExitCode.USER_ERROR
    assert set(hub.repositories) == {"team/cola"}
    assert "is not what the run wrote" in told(last_words)
    assert told(last_words).startswith("rte/1: ")


def test_another_report_than_the_one_that_was_ordered_is_not_published(
    hub: ModelHub, experiment: Experiment, publishes: Publishes
) -> None:
    order = ordered(experiment, to="hf://team/{task}")
    better(experiment)
    assert publishes(order) == ExitCode.RESULTS_CHANGED
    experiment.store.delete(layout_of(experiment.plan).results("json"))
    assert publishes(order) == ExitCode.RESULTS_CHANGED
    assert not hub.repositories


def test_a_signing_key_that_is_none_is_said(
    experiment: Experiment, publishes: Publishes, last_words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.pem").write_text("no key")
    monkeypatch.setenv("FINETUNE_SIGNING_KEY", str(tmp_path / "key.pem"))
    assert publishes(to="hf://team/{task}") == ExitCode.USER_ERROR
    assert "is no private key" in told(last_words)


def test_signs_of_life_are_gone_afterwards(hub: ModelHub, experiment: Experiment, publishes: Publishes) -> None:
    assert publishes(to="hf://team/{task}") == ExitCode.SUCCESS
    assert list(experiment.store.list(layout_of(experiment.plan).signs)) == []
