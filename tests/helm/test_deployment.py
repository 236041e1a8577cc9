"""The operator's pods: one that leads, without privileges, with the settings that the operator reads."""

import re
import subprocess
from typing import Any

import pytest

from finetune_core.api import Resources, SecretRef, Storage
from finetune_core.json_types import Json
from finetune_operator.config import Config, Release
from finetune_operator.manifests.defaults import DEFAULTS, NO_IDS, TemplatePolicy
from support.helm import environment, of_kind, pods, render, the

pytestmark = pytest.mark.apiserver

NAME = "ft-finetune-operator"
STORAGE = {"endpoint": "https://s3.example.org", "bucket": "results", "prefix": "glue", "secretRef": {"name": "keys"}}


def operator_pod(**values: Any) -> Json:
    return pods(render(**values))[NAME]


def config(**values: Any) -> Config:
    """The operator's own reading of what the chart gives it."""
    return Config.from_env(environment(operator_pod(**values)))


def test_there_is_one_replica_and_an_upgrade_has_the_next_one_ready_before_it_stops() -> None:
    spec = the(render(), "Deployment")["spec"]

    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert "topologySpreadConstraints" not in operator_pod()
    assert of_kind(render(), "PodDisruptionBudget") == []


def test_several_replicas_have_a_budget_and_are_spread() -> None:
    manifests = render(replicas=2)
    deployment, budget = the(manifests, "Deployment"), the(manifests, "PodDisruptionBudget")
    (spread,) = pods(manifests)[NAME]["topologySpreadConstraints"]

    assert deployment["spec"]["replicas"] == 2
    assert budget["spec"] == {"maxUnavailable": 1, "selector": deployment["spec"]["selector"]}
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")


def test_replicas_elect_a_leader_by_the_lease_of_their_release() -> None:
    (container,) = operator_pod()["containers"]
    (name,) = [entry for entry in container["env"] if entry["name"] == "FINETUNE_POD_NAME"]

    assert config().release == Release("system", NAME)
    assert name["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_it_runs_the_operator() -> None:
    (container,) = operator_pod()["containers"]

    assert container["image"] == "finetune-operator:0.1.0"
    assert container["args"] == ["run"]
    assert "command" not in container


@pytest.mark.parametrize("name", [NAME, f"{NAME}-ui", "ft-store"])
def test_every_pod_runs_without_privileges(name: str) -> None:
    pod = pods(render(store={"enabled": True}, ui={"enabled": True}))[name]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"] + pod.get("initContainers", []):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_only_the_operator_holds_a_token() -> None:
    manifests = render(store={"enabled": True})

    assert the(manifests, "ServiceAccount")["automountServiceAccountToken"] is False
    assert pods(manifests)[NAME]["automountServiceAccountToken"] is True
    assert pods(manifests)["ft-store"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
)
def test_probes_ask_the_health_port(probe: str, path: str) -> None:
    (container,) = operator_pod()["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert container[probe]["httpGet"] == {"path": path, "port": "health"}
    assert ports == {"health": config().health_port, "metrics": config().metrics_port}


def test_the_whole_cluster_is_watched_unless_namespaces_are_named() -> None:
    assert config().namespaces == ()
    assert config(watchNamespaces=["a", "b"]).namespaces == ("a", "b")


def test_training_pods_get_the_trainers_image() -> None:
    given = {"repository": "registry.example.org/trainer", "tag": "1.2", "pullPolicy": "Never"}

    assert config().trainer_image == "finetune-trainer:0.1.0"
    assert config(trainerImage=given).trainer_image == "registry.example.org/trainer:1.2"
    assert config(trainerImage=given).image_pull_policy == "Never"


def test_pods_that_publish_get_the_operators_own_image() -> None:
    given = {"repository": "registry.example.org/operator", "tag": "1.2"}

    assert config().operator_image == "finetune-operator:0.1.0"
    assert config(image=given).operator_image == "registry.example.org/operator:1.2"


DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.mark.parametrize("name", [NAME, f"{NAME}-ui", "ft-store"])
def test_images_may_be_named_by_digest(name: str) -> None:
    image = {"digest": DIGEST}
    manifests = render(image=image, ui={"enabled": True}, store={"enabled": True, "image": image})
    (container,) = pods(manifests)[name]["containers"]

    assert re.fullmatch(rf"[a-z/-]+:[0-9.]+@{DIGEST}", container["image"])
    assert config(trainerImage=image).trainer_image == f"finetune-trainer:0.1.0@{DIGEST}"


def test_the_operators_own_defaults_for_pods_are_those_of_the_chart() -> None:
    assert config().pods == DEFAULTS


def test_notifications_may_go_to_slack_and_to_what_the_administrator_names() -> None:
    assert [one.host for one in config().notification_hosts] == ["hooks.slack.com"]
    assert config(notifications={"allowedHosts": []}).notification_hosts == ()
    (chat,) = config(notifications={"allowedHosts": ["http://chat.team.svc:8065"]}).notification_hosts
    assert (chat.scheme, chat.host, chat.port) == ("http", "chat.team.svc", 8065)


def test_what_is_emptied_for_pods_is_empty() -> None:
    emptied = config(pods={"training": None, "report": {"limits": {"cpu": None}}}).pods

    assert emptied.training == Resources()
    assert emptied.report.limits == {"memory": "1Gi", "ephemeral-storage": "10Gi"}
    assert config(pods={"templatePolicy": "Restricted"}).pods.template_policy == TemplatePolicy.RESTRICTED


def test_a_proxy_is_for_all_pods_and_what_is_inside_is_reached_without_it() -> None:
    proxy = {"https": "http://proxy.example.com:3128", "direct": ["s3.internal", "10.0.0.0/8"]}
    inside = "localhost,127.0.0.1,.svc,.cluster.local,s3.internal,10.0.0.0/8"
    manifests = render(proxy=proxy, ui={"enabled": True})

    assert config(proxy=proxy).pods.env == {"HTTPS_PROXY": proxy["https"], "NO_PROXY": inside}
    for name in (NAME, f"{NAME}-ui"):
        env = environment(pods(manifests)[name])
        assert env["HTTPS_PROXY"] == proxy["https"]
        # Kubernetes puts the API server's address there.
        assert env["NO_PROXY"] == f"{inside},$(KUBERNETES_SERVICE_HOST)"
        assert "HTTP_PROXY" not in env


@pytest.mark.parametrize("name", [NAME, f"{NAME}-ui", "ft-store"])
def test_the_cluster_may_give_all_pods_their_ids(name: str) -> None:
    values = {"podSecurityContext": None}
    pod = pods(render(store={"enabled": True}, ui={"enabled": True}, **values))[name]

    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert config(**values).pods.user_ids == NO_IDS


def test_there_is_no_default_store_unless_one_is_given() -> None:
    assert config().default_storage is None


def test_the_default_store_is_that_of_the_values() -> None:
    assert config(storage=STORAGE).default_storage == Storage.model_validate(STORAGE)


def test_the_embedded_store_is_the_default_store() -> None:
    assert config(store={"enabled": True}).default_storage == Storage(
        endpoint="http://ft-store.system.svc:8333",
        bucket="finetune",
        region="us-east-1",
        secret_ref=SecretRef(name="ft-store"),
    )


def test_a_store_of_ones_own_wins_over_the_embedded_one() -> None:
    chosen = config(store={"enabled": True}, storage=STORAGE).default_storage

    assert chosen is not None
    assert chosen.bucket == "results"


def test_logs_are_json_unless_text_is_asked_for() -> None:
    assert config().log_format == "json"
    assert config(logFormat="text").log_format == "text"


def test_scheduling_and_environment_are_passed_on() -> None:
    pod = operator_pod(
        nodeSelector={"disk": "ssd"},
        tolerations=[{"operator": "Exists"}],
        priorityClassName="high",
        imagePullSecrets=[{"name": "registry"}],
        env=[{"name": "HTTPS_PROXY", "value": "http://proxy"}],
    )

    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "high"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert environment(pod)["HTTPS_PROXY"] == "http://proxy"


def test_metrics_are_scraped_only_where_asked_for() -> None:
    monitor = the(render(podMonitor={"enabled": True, "labels": {"release": "prom"}}), "PodMonitor")

    assert "PodMonitor" not in {manifest["kind"] for manifest in render()}
    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert monitor["spec"]["podMetricsEndpoints"] == [{"port": "metrics", "interval": "30s"}]
    assert monitor["spec"]["selector"] == the(render(), "Deployment")["spec"]["selector"]


def test_metrics_can_be_scraped_through_a_service() -> None:
    made = render(serviceMonitor={"enabled": True, "interval": "1m", "labels": {"release": "prom"}})
    monitor, selector = the(made, "ServiceMonitor"), the(made, "Deployment")["spec"]["selector"]["matchLabels"]
    (service,) = (
        one for one in made if one["kind"] == "Service" and one["metadata"]["name"] == monitor["metadata"]["name"]
    )

    assert "ServiceMonitor" not in {manifest["kind"] for manifest in render()}
    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "interval": "1m"}]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert (service["spec"]["clusterIP"], service["spec"]["selector"]) == ("None", selector)
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["metrics"]


def test_metrics_are_not_scraped_twice() -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        render(serviceMonitor={"enabled": True}, podMonitor={"enabled": True})
    assert "enable one of them" in refusal.value.stderr
