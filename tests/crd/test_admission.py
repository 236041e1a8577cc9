"""What a user of kubectl meets: defaults, refusals, explain, columns, examples."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from finetune_core.planning.parse import check_spec, parse_spec
from finetune_core.planning.search.parse import check_search, parse_search
from finetune_dev.apiserver import ApiServer
from support.apiserver import REPOSITORY, until
from support.experiments import API, PLURAL, create, errors, experiment

pytestmark = pytest.mark.apiserver

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))


def kubectl(server: ApiServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "--kubeconfig", str(server.kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def with_status(api: client.ApiClient, namespace: str, status: dict[str, Any]) -> dict[str, Any]:
    """A stored experiment that has that status."""
    create(api, experiment("seen"), namespace)
    custom = client.CustomObjectsApi(api)
    return custom.patch_namespaced_custom_object_status(*API, namespace, PLURAL, "seen", {"status": status})


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }


SEEN = {
    "conditions": [
        condition("Valid", "True", "Accepted", "The spec can be run."),
        condition("Succeeded", "Unknown", "Running", "33 runs are left."),
    ],
    "runs": {"total": 45, "pending": 30, "running": 3, "succeeded": 12, "failed": 0, "summary": "12/45"},
    "score": "78.9",
    "eta": "about 2 h",
}


def test_defaults_are_filled_in_also_inside_parts_that_are_not_given(
    api_client: client.ApiClient, namespace: str
) -> None:
    spec = create(api_client, experiment(leaderboard={}), namespace)["spec"]

    assert spec["execution"]["parallelism"] == 1
    assert spec["execution"]["mode"] == "Jobs"
    assert spec["retention"] == {"models": "Best"}
    assert spec["leaderboard"] == {"missingTasks": "Refuse"}
    assert (spec["seed"], spec["predict"]) == (42, True)
    assert spec.keys() == {"model", "execution", "retention", "leaderboard", "seed", "predict"}


def test_the_defaults_of_the_api_server_are_those_of_the_types(api_client: client.ApiClient, namespace: str) -> None:
    filled_in = create(api_client, experiment(leaderboard={}), namespace)["spec"]

    assert parse_spec(filled_in) == parse_spec(experiment(leaderboard={})["spec"])


def test_free_form_parts_are_kept_as_they_are(api_client: client.ApiClient, namespace: str) -> None:
    template = {
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferred": [{"weight": 1}]}},
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }

    stored = create(api_client, experiment(execution={"podTemplate": template}), namespace)

    assert stored["spec"]["execution"]["podTemplate"] == template


def test_quantities_are_numbers_or_texts(api_client: client.ApiClient) -> None:
    resources = {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"nvidia.com/gpu": 1}}

    assert errors(api_client, experiment(execution={"resources": resources})) is None


def test_an_unknown_field_is_refused_by_name(api_client: client.ApiClient) -> None:
    assert "spec.training.learnigRate" in errors(api_client, experiment(training={"learnigRate": 1e-4}))


def test_a_task_listed_twice_is_refused(api_client: client.ApiClient) -> None:
    assert "spec.tasks[1]: Duplicate value" in errors(api_client, experiment(tasks=[{"name": "rte"}, {"name": "rte"}]))


def test_a_spec_of_5_megabytes_is_refused(api_client: client.ApiClient) -> None:
    refusal = errors(api_client, experiment(execution={"podTemplate": {"affinity": {"x": "y" * 5_000_000}}}))

    assert "limit is" in refusal


def test_an_unknown_field_of_the_status_does_not_come_back(api_client: client.ApiClient, namespace: str) -> None:
    assert with_status(api_client, namespace, {"eta": "1 h", "unknown": 1})["status"] == {"eta": "1 h"}


def test_a_patch_of_the_status_leaves_the_spec_and_its_generation(api_client: client.ApiClient, namespace: str) -> None:
    patched = with_status(api_client, namespace, SEEN)

    assert patched["metadata"]["generation"] == 1
    assert patched["status"] == SEEN


def test_columns_show_where_the_experiment_is(
    api_client: client.ApiClient, api_server: ApiServer, namespace: str
) -> None:
    with_status(api_client, namespace, SEEN)

    heads, row = kubectl(api_server, "get", "finetuneexperiments", "-n", namespace).stdout.splitlines()

    assert heads.split() == ["NAME", "STATUS", "RUNS", "SCORE", "ETA", "AGE"]
    assert row.split("  ")[0] == "seen"
    assert [word.strip() for word in row.split("  ") if word][1:5] == ["Running", "12/45", "78.9", "about 2 h"]


def test_wide_columns_show_the_model_and_the_message(
    api_client: client.ApiClient, api_server: ApiServer, namespace: str
) -> None:
    with_status(api_client, namespace, SEEN)

    heads, row = kubectl(api_server, "get", "fte", "-n", namespace, "-o", "wide").stdout.splitlines()

    assert heads.split()[-3:] == ["VALID", "MODEL", "MESSAGE"]
    assert row.endswith("True    hf://org/name   33 runs are left.")


def test_the_category_lists_experiments(api_client: client.ApiClient, api_server: ApiServer, namespace: str) -> None:
    create(api_client, experiment("one"), namespace)

    assert "one" in kubectl(api_server, "get", "finetune", "-n", namespace).stdout


def test_kubectl_explain_says_what_a_field_means(api_server: ApiServer) -> None:
    def explained() -> str:
        return kubectl(api_server, "explain", "fte.spec.training.evalSteps").stdout

    # The API server publishes a new CRD's documentation a little after it serves the CRD.
    until(lambda: "evalSteps" in explained(), "kubectl explain")

    text = " ".join(explained().split())
    assert "FIELD: evalSteps <integer>" in text
    assert "Evaluate on the dev set every so many optimizer steps (and always at the last step)" in text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_taken_by_kubectl(api_server: ApiServer, path: Path) -> None:
    done = kubectl(api_server, "apply", "--dry-run=server", "--validate=strict", "-f", str(path), "-o", "json")

    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    # What the API server made of the file: YAML such as 1e-4 included.
    taken = json.loads(done.stdout)
    if taken["kind"] == "HPSearch":
        assert check_search(parse_search(taken["spec"])) == ()
    else:
        assert check_spec(parse_spec(taken["spec"])) == ()


def test_there_are_examples() -> None:
    names = {path.stem for path in EXAMPLES}
    assert names >= {
        "quickstart",
        "bert-base",
        "custom-task",
        "hpsearch",
        "search-quickstart",
        "tuned-experiment",
        "sparse",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_goes_by_its_file_name_and_says_how_to_use_it(path: Path) -> None:
    text = path.read_text()

    assert yaml.safe_load(text)["metadata"]["name"] == path.stem
    assert f"kubectl apply -f examples/{path.name}" in text


@pytest.mark.parametrize("name", ["finetuneexperiments", "hpsearches"])
def test_a_crd_that_is_applied_again_is_unchanged_and_conflicts_with_no_other_copy(
    api_server: ApiServer, tmp_path: Path, name: str
) -> None:
    """The file as it is, under a group of its own: other tests use the real one."""
    text = (REPOSITORY / "crds" / f"finetune.dev_{name}.yaml").read_text().replace("finetune.dev", "again.test")
    path = tmp_path / "crd.yaml"
    path.write_text(text)
    assert kubectl(api_server, "apply", "-f", str(path)).stdout.strip().endswith("created")
    assert kubectl(api_server, "apply", "-f", str(path)).stdout.strip().endswith("unchanged")
    helm = kubectl(api_server, "apply", "--server-side", "--field-manager=helm", "-f", str(path))
    assert helm.returncode == 0, helm.stderr
    kubectl(api_server, "delete", "-f", str(path))
