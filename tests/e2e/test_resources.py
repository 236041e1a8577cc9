"""GPUs: asked for, scheduled by, and never more pods than there are of them."""

import json
from collections.abc import Iterator

import pytest

from e2e.harness import K8S, SHORT, Experiments, reason, spec, wait_until
from finetune_dev.kubectl import kubectl

pytestmark = [pytest.mark.alone, pytest.mark.timeout(400)]

GPU = "nvidia.com/gpu"
_PATH = "/status/capacity/" + GPU.replace("/", "~1")


@pytest.fixture
def two_gpus() -> Iterator[None]:
    """Two GPUs on the node, as a device plugin would report them; the pods find none and train on the CPU."""
    (node,) = K8S.core.list_node().items
    if GPU in node.status.capacity:
        pytest.fail("this test pretends that a node without GPUs had two; the cluster in use has some")

    def patch(operation: dict[str, str]) -> None:
        kubectl(
            "patch", "node", node.metadata.name, "--subresource=status", "--type=json", f"-p={json.dumps([operation])}"
        )

    def offered() -> str | None:
        return K8S.core.read_node(node.metadata.name).status.allocatable.get(GPU)

    patch({"op": "add", "path": _PATH, "value": "2"})
    wait_until("the node to offer two GPUs", lambda: offered() == "2")
    yield
    patch({"op": "remove", "path": _PATH})


@pytest.mark.usefixtures("two_gpus")
def test_gpus_bound_how_many_pods_run(experiment: Experiments) -> None:
    long_enough = {**SHORT, "maxSteps": 400, "evalSteps": 200}
    suite = experiment("gpus").apply(
        spec(["wnli"], runs=3, training=long_enough, execution={"parallelism": 3, "resources": {"limits": {GPU: 1}}})
    )

    suite.until(
        "two pods to run and one to wait",
        lambda status: len(suite.running()) == 2 and "Insufficient nvidia.com/gpu" in str(status.get("conditions")),
    )
    assert sorted(pod.status.phase for pod in suite.pods()) == ["Pending", "Running", "Running"]
    for pod in suite.pods():
        (container,) = pod.spec.containers
        assert container.resources.requests[GPU] == container.resources.limits[GPU] == "1"

    assert reason(suite.ends()) == "AllRunsSucceeded"
    assert {result.settings["precision"] for result in suite.results().values()} == {"bf16"}
