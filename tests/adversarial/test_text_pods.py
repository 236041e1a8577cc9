"""Text of a spec in the commands and variables of pods: Kubernetes puts nothing in its place."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finetune_core.api import Execution, Storage, Tracking
from finetune_core.deciding.actions import CreateReportJob
from finetune_core.tracking import to_env
from finetune_operator import manifests
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.manifests.pods import add_tracking
from support.hostile_text import SHELL

OWNER = Owner("team", "exp", "uid-1")
SECRET = "the secret"


def expanded(text: str, variables: dict[str, str]) -> str:
    """What the kubelet makes of a text: "$$" is "$", a variable that is not known stays as it is written.

    https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (`command`, `env`)
    """
    return re.sub(
        r"\$\$|\$\(([^)]*)\)",
        lambda match: "$" if match[0] == "$$" else variables.get(match[1], match[0]),
        text,
    )


def settings(text: str) -> PodSettings:
    return PodSettings(
        execution=Execution(),
        storage=Storage.model_construct(endpoint=f"https://{text}", bucket="b", prefix=text, region=text),
        default_image="image",
        default_pull_policy=None,
        claims=(),
        log_format="json",
        tracking=Tracking.model_validate({"reportTo": ["wandb"], "project": text or "x"}),
    )


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return found


def seen(job: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Command and variables as the program in the pod sees them."""
    container = container_of(job)
    variables = {"AWS_SECRET_ACCESS_KEY": SECRET, "FINETUNE_ATTEMPT": "uid"}
    env = {one["name"]: expanded(one["value"], variables) for one in container["env"] if "value" in one}
    return [expanded(word, variables) for word in container["command"]], env


@given(text=st.text(alphabet="$()AWS_x", max_size=20))
@example(text="$(AWS_SECRET_ACCESS_KEY)")
@example(text="$$(AWS_SECRET_ACCESS_KEY)")
def test_a_pod_sees_the_text_that_the_spec_has(text: str) -> None:
    job = manifests.resolve_job(OWNER, settings(text), name="n", uris=(f"pvc://claim/{text}",), key="k")
    command, env = seen(job)
    resolve = ["finetune-trainer", "resolve", f"--uri=pvc://claim/{text}", "--output=k"]
    assert command == [*resolve, "--sign=team/exp/signs/uid"]
    assert env["FINETUNE_STORE"] == settings(text).storage.uri
    assert env["AWS_ENDPOINT_URL"] == f"https://{text}"
    assert env.get("AWS_REGION", "") == text


@pytest.mark.parametrize("text", SHELL)
def test_a_training_pod_sees_the_trackers_settings_as_they_are(text: str) -> None:
    made = settings(text)
    container: dict[str, Any] = {"env": []}
    assert made.tracking is not None
    add_tracking(container, made.tracking)
    env = {one["name"]: expanded(one["value"], {"AWS_SECRET_ACCESS_KEY": SECRET}) for one in container["env"]}
    assert env == to_env(made.tracking)


@pytest.mark.parametrize("text", SHELL)
def test_a_report_pod_is_given_run_ids_as_they_are(text: str) -> None:
    job = manifests.report_job(OWNER, settings("x"), CreateReportJob("n", "r", "d", (text,)))
    assert seen(job)[0][-1] == text
