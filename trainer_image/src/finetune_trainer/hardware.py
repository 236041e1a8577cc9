"""What the machine can do, and what it is, for choosing precision and for the record in result.json."""

import gc
import os
import platform
from pathlib import Path

from finetune_core.api import Precision

_CPU_BF16 = ("amx_bf16", "avx512_bf16")

HELD = "FINETUNE_GPUS_HELD"
"""Set in workers that share GPUs: how many each of them holds, as 0.5."""


def best_precision() -> Precision:
    """bf16 where the GPU, or without one the CPU, has units for it; fp32 otherwise."""
    import torch  # noqa: PLC0415 - seconds to import, and not every command needs it

    if torch.cuda.is_available():
        return Precision.BF16 if torch.cuda.is_bf16_supported(including_emulation=False) else Precision.FP16
    return Precision.BF16 if any(flag in _cpu_info() for flag in _CPU_BF16) else Precision.FP32


def describe(processes: int = 1) -> dict[str, str | int | float | None]:
    """Processor, cores that may be used, and the GPU if there is one; the run's processes if there are several."""
    import torch  # noqa: PLC0415

    lines = (line.partition(":") for line in _cpu_info().splitlines())
    model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), platform.machine())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    several = {"processes": processes} if processes > 1 else {}
    return {"cpu": model, "cores": usable_cores(), "gpu": gpu, "gpus": torch.cuda.device_count(), **several}


def gpus_held() -> float:
    """GPUs that nobody but this process' work can use: its share of one that several work on, else all that it sees."""
    import torch  # noqa: PLC0415

    return float(os.environ.get(HELD) or torch.cuda.device_count())


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the CPU limit of its container (cgroup v2 or v1)."""
    cores = len(os.sched_getaffinity(0))
    limit = _cgroup_limit()
    return max(1, min(cores, round(limit))) if limit else cores


def threads() -> int:
    """What OMP_NUM_THREADS says to OpenMP, which reads it once, perhaps in another process; else the usable cores."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else usable_cores()


def _cgroup_limit() -> float | None:
    modern = Path("/sys/fs/cgroup/cpu.max")
    if modern.exists():
        quota, period = modern.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    quota_file = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    if not quota_file.exists() or int(quota_file.read_text()) <= 0:
        return None
    return int(quota_file.read_text()) / int(quota_file.with_name("cpu.cfs_period_us").read_text())


def _cpu_info() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def release_memory() -> None:
    """Give back what torch keeps of the GPU's memory for later: another process of the GPU may need it sooner."""
    import torch  # noqa: PLC0415

    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()
