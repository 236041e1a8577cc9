"""Stores that only a proxy leads to, in a cluster whose pods have no other way out."""

from pathlib import Path

import pytest

from e2e.harness import K8S, Experiments, Upgrade, operator_pod, reason, spec
from finetune_dev import release
from finetune_dev.node.network import NODE_ADDRESS
from support.proxy import Proxy

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

OUTSIDE = "store.outside.test"
"""Only the proxy knows where that is: what asks for it in another way fails."""


def test_operator_runs_and_report_reach_a_store_through_the_proxy_alone(
    experiment: Experiments, upgraded: Upgrade, tmp_path: Path
) -> None:
    service = K8S.core.read_namespaced_service(release.STORE, release.NAMESPACE)
    storage = {
        "endpoint": f"http://{OUTSIDE}:8333",
        "region": "us-east-1",
        "bucket": release.BUCKET,
        "secretRef": {"name": release.STORE},
    }
    with Proxy(tmp_path, hostname=NODE_ADDRESS, user=None, names={OUTSIDE: service.spec.cluster_ip}) as proxy:
        upgraded(f"proxy.http={proxy.address}")
        operator = operator_pod().status.pod_ip
        suite = experiment("outside").apply(spec(["wnli"], storage=storage))

        assert reason(suite.ends()) == "AllRunsSucceeded", suite.describe()

        addresses = {pod.metadata.labels["finetune.dev/role"]: pod.status.pod_ip for pod in suite.pods()}
        assert addresses.keys() >= {"train", "report"}
        assert proxy.clients(OUTSIDE) >= {operator, *addresses.values()}
