"""`spec.publish`: after the report a pod in the operator's image publishes the best run, to a folder of the bucket."""

import json
from typing import Any

from e2e.harness import Experiments, condition_of, reason, spec
from finetune_core.publishing.provenance import Statement
from finetune_dev import release


def published(folder: str, **entry: Any) -> dict[str, Any]:
    """Two seeds of one task, and where its better one goes."""
    to = f"s3://{release.BUCKET}/{folder}/{{task}}"
    return spec(("wnli",), runs=2, publish=[{"name": "bucket", "to": to, "license": "mit", **entry}])


def test_the_best_run_is_published_before_the_experiment_has_finished(experiment: Experiments) -> None:
    suite = experiment("published")
    folder = f"e2e-published/{suite.namespace}"
    status = suite.apply(published(folder)).ends()

    assert reason(status) == "AllRunsSucceeded", suite.describe()
    assert condition_of(status, "Published")["status"] == "True", suite.describe()
    assert condition_of(status, "Finished")["status"] == "True"
    best = status["tasks"][0]["best"]
    (told,) = status["published"]
    assert (told["task"], told["run"], told["runId"]) == ("wnli", best["run"], best["runId"])
    assert told["uri"] == f"s3://{release.BUCKET}/{folder}/wnli"
    there = {info.key.removeprefix(f"{folder}/wnli/") for info in suite.store.list(f"{folder}/wnli")}
    assert {"README.md", "provenance.json", "config.json"} <= there
    statement = Statement.model_validate_json(suite.store.get(f"{folder}/wnli/provenance.json"))
    assert statement.facts.run.run_id == best["runId"]
    (job,) = suite.jobs("publish")
    assert job.spec.template.spec.containers[0].image != suite.jobs("report")[0].spec.template.spec.containers[0].image


def test_a_place_that_is_taken_costs_no_result_and_is_published_to_once_it_may_be_replaced(
    experiment: Experiments,
) -> None:
    suite = experiment("taken")
    folder = f"e2e-taken/{suite.namespace}"
    suite.store.put(f"{folder}/wnli/thesis.txt", b"years of work")
    status = suite.apply(published(folder)).ends()

    assert reason(status) == "AllRunsSucceeded", suite.describe()
    told = condition_of(status, "Published")
    assert (told["status"], told["reason"]) == ("False", "PublishFailed"), json.dumps(told)
    assert "files that no model was published with" in told["message"]
    assert "replace: true" in told["message"]
    assert suite.store.get(f"{folder}/wnli/thesis.txt") == b"years of work"

    runs = {job.metadata.uid for job in suite.jobs()}
    suite.apply(published(folder, replace=True))
    status = suite.until("it to be published", lambda now: condition_of(now, "Published").get("status") == "True")
    assert "provenance.json" in {info.key.rpartition("/")[2] for info in suite.store.list(f"{folder}/wnli")}
    assert {job.metadata.uid for job in suite.jobs()} <= runs, "no run is done again"
