"""GPUs of a pod, how many processes do a run on them, and how many runs are done at a time."""

from finetune_core.api import Execution

PROCESSES = "FINETUNE_PROCESSES_PER_RUN"
"""The variable that tells a trainer how many processes do a run together; 1 without it."""

RUNS_AT_ONCE = "FINETUNE_RUNS_AT_ONCE"
"""The variable that tells a trainer how many runs its pod does at a time; 1 without it."""

_GPU_SUFFIX = "/gpu"


def gpu_amounts(execution: Execution) -> dict[str, str]:
    """What a pod asks for by names that end in /gpu, as it is written; a limit goes before a request."""
    asked = execution.resources
    amounts = {**(asked.requests or {}), **(asked.limits or {})} if asked else {}
    return {name: str(amount) for name, amount in amounts.items() if name.endswith(_GPU_SUFFIX)}


def gpus_of_pod(execution: Execution) -> int:
    """How many GPUs a pod asks for; what is no whole number counts for nothing, and is a problem of its own."""
    return sum(int(amount) for amount in gpu_amounts(execution).values() if amount.isdecimal())


def processes_per_run(execution: Execution) -> int:
    """Processes that do a run of an experiment in a cluster: as the spec says, or one for each GPU of its pod."""
    return execution.processes_per_run or max(1, gpus_of_pod(execution))


def runs_at_once(execution: Execution) -> int:
    """Runs that a pod of an experiment does at a time."""
    return execution.runs_at_once or 1
