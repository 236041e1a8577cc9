"""Whether a plan fits the ConfigMap that pods read it from. Pure."""

from collections.abc import Mapping

from finetune_core.canonical import canonical_json
from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.problems import Problem

CONFIG_MAP_BYTES = 1 << 20
"""Kubernetes' limit for the data of one, https://kubernetes.io/docs/concepts/configuration/configmap/."""
_OF_A_JOB = 64 << 10
"""What a Job's plan holds beside the plan itself: which index does which of at most 1,000 runs, and limits."""


def size_problems(plan: Plan | SearchPlan) -> tuple[Problem, ...]:
    """The largest task, where a plan has more bytes than pods can be given."""
    size = len(plan.to_bytes())
    if size <= CONFIG_MAP_BYTES - _OF_A_JOB:
        return ()
    task, bytes_ = max(_sizes(plan).items(), key=lambda item: item[1])
    message = (
        f"the plan has {size:,} bytes, and pods can be given {CONFIG_MAP_BYTES - _OF_A_JOB:,}; {bytes_:,} of them are "
        f"of this task: use fewer or shorter labels, or move tasks to another object"
    )
    return (Problem(f"spec.tasks[{task}]", message),)


def _sizes(plan: Plan | SearchPlan) -> Mapping[str, int]:
    tasks = plan.model_dump(mode="json", by_alias=True)["tasks"]
    return {name: len(canonical_json(task)) for name, task in tasks.items()}
