"""What can be wrong with how runs are executed, of experiments and searches alike."""

from collections.abc import Iterator, Mapping

from finetune_core.api import Execution, ExecutionMode
from finetune_core.api.budget import Budget
from finetune_core.planning.devices import gpu_amounts, gpus_of_pod, runs_at_once
from finetune_core.problems import Problem

_RAYS_OWN = frozenset({"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ENABLE_K8S_TOKEN_AUTH"})
"""By these Ray's processes know each other: the operator and KubeRay set them."""


def execution_problems(execution: Execution) -> Iterator[Problem]:
    """What experiments and searches can have wrong alike."""
    yield from _token_problems(execution)
    for name, amount in gpu_amounts(execution).items():
        if not amount.isdecimal():
            yield Problem("spec.execution.resources", f"{name} is {amount}: write a whole number of GPUs")


def process_problems(execution: Execution, batch_sizes: Mapping[str, int], *, in_cluster: bool) -> Iterator[Problem]:
    """Whether each GPU of a run has a process that uses it, and a share of each batch (task -> trainBatchSize)."""
    if in_cluster and execution.mode == ExecutionMode.RAY_CLUSTER:
        remedy = "use mode Jobs, where a run has all GPUs of its pod"
        yield from _one_process(execution, f"a run on a Ray cluster is one process: remove it, or {remedy}")
        yield from _one_run(execution, "on a Ray cluster execution.ray.gpusPerRun and cpusPerRun say it: remove it")
        yield from _one_gpu(execution, f"(a worker then does as many runs at a time), or {remedy}")
        return
    # On one's own machine its GPUs count, not those that a pod would ask for.
    gpus = gpus_of_pod(execution) if in_cluster else 0
    processes = execution.processes_per_run or max(1, gpus)
    if gpus and processes != gpus:
        message = (
            f"{processes} processes a run, and its pod asks for {gpus} GPUs, of which each process uses one: remove "
            "it, or ask for as many GPUs"
        )
        yield Problem("spec.execution.processesPerRun", message)
    if processes > 1:
        yield from _one_run(
            execution, f"each run has {processes} processes of its pod: remove it, or let a run be one process"
        )
    for task, size in batch_sizes.items():
        if size % processes:
            message = (
                f"{size} cannot be shared evenly by the {processes} processes of a run (execution.processesPerRun, or "
                f"one for each GPU of its pod): use {size - size % processes or processes}, or another number of them"
            )
            yield Problem(f"spec.tasks[{task}].training.trainBatchSize", message)


def trial_problems(execution: Execution, concurrent_trials: int) -> Iterator[Problem]:
    """Whether a search's pod asks for GPUs that none of its trials would use: a trial uses one."""
    yield from _one_process(execution, "a trial is one process, and a pod does several trials at a time: remove it")
    yield from _one_run(execution, "a search has concurrentTrials for it: remove it")
    if execution.mode == ExecutionMode.RAY_CLUSTER:
        yield from _one_gpu(execution, "(a worker then does as many trials at a time)")
    elif (gpus := gpus_of_pod(execution)) > concurrent_trials:
        message = (
            f"{concurrent_trials} trials at a time in a pod that asks for {gpus} GPUs, of which each uses one: set it "
            f"to {gpus}, or ask for fewer GPUs"
        )
        yield Problem("spec.concurrentTrials", message)


def budget_warnings(budget: Budget | None, execution: Execution) -> Iterator[str]:
    """A budget that is not the one that was meant."""
    if budget is not None and budget.gpu_hours is not None and not gpus_of_pod(execution):
        yield (
            "spec.budget.gpuHours: execution.resources asks for no GPU, and CPU time is not counted; unless the pods "
            "get GPUs in another way, nothing of it is ever spent: set budget.time"
        )


def _one_process(execution: Execution, message: str) -> Iterator[Problem]:
    if (execution.processes_per_run or 1) > 1:
        yield Problem("spec.execution.processesPerRun", message)


def _one_run(execution: Execution, message: str) -> Iterator[Problem]:
    if runs_at_once(execution) > 1:
        yield Problem("spec.execution.runsAtOnce", message)


def _one_gpu(execution: Execution, remedy: str) -> Iterator[Problem]:
    """On a Ray cluster, where by default all GPUs of a worker are counted for what it does."""
    ray = execution.ray
    gpus = gpus_of_pod(execution) if ray is None or ray.gpus_per_run is None else ray.gpus_per_run
    if gpus > 1:
        message = f"{gpus:g} GPUs are counted for what uses one: set it to 1 {remedy}"
        yield Problem("spec.execution.ray.gpusPerRun", message)


def _token_problems(execution: Execution) -> Iterator[Problem]:
    """Variables that would open a Ray cluster, or keep its parts from each other."""
    if execution.mode != ExecutionMode.RAY_CLUSTER or execution.pod_template is None:
        return
    given = {str(variable.get("name")) for variable in execution.pod_template.env or ()}
    for name in sorted(given & _RAYS_OWN):
        message = f"{name} is set for each Ray cluster, with a token of its own: remove it"
        yield Problem("spec.execution.podTemplate.env", message)
