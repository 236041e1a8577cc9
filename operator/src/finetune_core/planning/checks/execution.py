"""What can be wrong with how runs are executed, of experiments and searches alike."""

from collections.abc import Iterator

from finetune_core.api import Execution, ExecutionMode
from finetune_core.problems import Problem

_RAYS_OWN = frozenset({"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ENABLE_K8S_TOKEN_AUTH"})
"""By these Ray's processes know each other: the operator and KubeRay set them."""


def execution_problems(execution: Execution) -> Iterator[Problem]:
    """Variables that would open a Ray cluster, or keep its parts from each other."""
    if execution.mode != ExecutionMode.RAY_CLUSTER or execution.pod_template is None:
        return
    given = {str(variable.get("name")) for variable in execution.pod_template.env or ()}
    for name in sorted(given & _RAYS_OWN):
        message = f"{name} is set for each Ray cluster, with a token of its own: remove it"
        yield Problem("spec.execution.podTemplate.env", message)
