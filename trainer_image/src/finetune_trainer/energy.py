"""The energy that GPUs took, by the counter that NVIDIA's driver keeps of each of them.

NVML's library comes with the driver and is in every container that has a GPU. Three functions of its C interface are
called (https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html), as torch itself calls others of it;
pynvml, which wraps them all, is no part of the trainer's image.
"""

import ctypes
import logging
from collections.abc import Callable
from functools import cache

from finetune_trainer.hardware import gpus_held

logger = logging.getLogger(__name__)

LIBRARY = "libnvidia-ml.so.1"
_MILLI = 1000


class Meter:
    """The energy of the GPUs that this process' work has to itself, from now on.

    `joules` is None on CPUs, where several runs share a GPU (its counter is of all that it does), where there is no
    such counter (before Volta, parts of a GPU by MIG, no NVML), and once a counter began anew, as it does when the
    driver is loaded.
    """

    def __init__(self) -> None:
        self._devices = _own_devices()
        self._first = self._read()

    @property
    def joules(self) -> float | None:
        """Since it was made."""
        if self._first is None:
            return None
        now = self._read()
        if now is None or now < self._first:
            self._first = None
            return None
        return (now - self._first) / _MILLI

    def _read(self) -> int | None:
        read = _nvml() if self._devices else None
        if read is None:
            return None
        told = [millijoules for device in self._devices if (millijoules := read(device)) is not None]
        return sum(told) if len(told) == len(self._devices) else None


def _own_devices() -> tuple[str, ...]:
    """UUIDs as NVML has them; none where a GPU is shared."""
    import torch  # noqa: PLC0415 - seconds to import, and not every command needs it

    count = torch.cuda.device_count()
    if not count or gpus_held() != count:
        return ()
    return tuple(f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(count))


@cache
def _nvml() -> Callable[[str], int | None] | None:
    """Reads a device's counter, in millijoules since the driver was loaded; None where there is no NVML.

    It is opened by the process that asks, never before a fork.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
        library.nvmlDeviceGetHandleByUUID.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]
        library.nvmlDeviceGetTotalEnergyConsumption.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_ulonglong)]
        failed = library.nvmlInit_v2()
    except (OSError, AttributeError) as error:
        logger.info("the energy of the GPUs is not told: %s", error)
        return None
    if failed:
        logger.info("the energy of the GPUs is not told: NVML's error %d", failed)
        return None

    def read(uuid: str) -> int | None:
        device, told = ctypes.c_void_p(), ctypes.c_ulonglong()
        if library.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(device)):
            return None
        if library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(told)):
            return None
        return told.value

    return read
