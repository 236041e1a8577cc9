"""The energy that a run's GPUs took: by a library that stands in for NVML's, since nobody here has a GPU."""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import Progress
from finetune_core.spent import Spent
from finetune_store import open_store
from finetune_trainer import energy, hardware
from finetune_trainer.energy import Meter
from finetune_trainer.run import progress as told
from finetune_trainer.run import run as running
from finetune_trainer.run.progress import Clock, Reporter, spent_before
from support.trainer_runs import Workspace

# NVML's C interface, as far as it is called: nvmlReturn_t is an enum, nvmlDevice_t a pointer, the counter an
# unsigned long long in millijoules. The devices here are `GPU-a` and `GPU-b`, and `GPU-old`, which has no counter.
FAKE = r"""
#include <string.h>
enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6 };
struct device { const char *uuid; int supported; unsigned long long millijoules; };
static struct device devices[] = {{"GPU-a", 1, 5000000000000ULL}, {"GPU-b", 1, 1000ULL}, {"GPU-old", 0, 0}};
static int answer = SUCCESS;
int nvmlInit_v2(void) { return answer; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    for (int i = 0; i < 3; i++)
        if (!strcmp(devices[i].uuid, uuid)) { *handle = &devices[i]; return SUCCESS; }
    return NOT_FOUND;
}
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *told) {
    struct device *one = handle;
    if (!one->supported) return NOT_SUPPORTED;
    *told = one->millijoules;
    return SUCCESS;
}
void take(int device, unsigned long long millijoules) { devices[device].millijoules += millijoules; }
void restart(int device) { devices[device].millijoules = 0; }
void refuse(void) { answer = 9; }
"""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a library that stands in for NVML's")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(FAKE)
    subprocess.run(
        [compiler, "-Wall", "-Werror", "-shared", "-fPIC", "-o", folder / "nvml.so", folder / "nvml.c"], check=True
    )
    return folder / "nvml.so"


class Machine:
    """A machine with GPUs, whose library is loaded anew for each test."""

    def __init__(self, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._library = ctypes.CDLL(str(library))
        self._library.take.argtypes = [ctypes.c_int, ctypes.c_ulonglong]
        monkeypatch.setattr(energy, "LIBRARY", str(library))

    def has(self, *uuids: str) -> None:
        """What CUDA shows to this process, in its own order; torch says UUIDs without what NVML has before them."""
        self._monkeypatch.setattr(torch.cuda, "device_count", lambda: len(uuids))
        self._monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=uuids[index]))

    def take(self, device: int, joules: int) -> None:
        self._library.take(device, joules * 1000)

    def restart(self, device: int) -> None:
        self._library.restart(device)

    def refuse(self) -> None:
        self._library.refuse()


@pytest.fixture
def machine(compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.delenv(hardware.HELD, raising=False)
    energy._nvml.cache_clear()
    yield Machine(Path(shutil.copy(compiled, tmp_path)), monkeypatch)
    energy._nvml.cache_clear()


def test_it_is_what_the_gpus_of_this_process_took_since_the_beginning(machine: Machine) -> None:
    machine.has("b", "a")
    meter = Meter()
    assert meter.joules == 0
    machine.take(0, 300)
    machine.take(1, 45)
    assert meter.joules == 345


def test_of_a_gpu_that_others_see_nothing_is_counted(machine: Machine) -> None:
    machine.has("b")
    meter = Meter()
    machine.take(0, 300)
    machine.take(1, 45)
    assert meter.joules == 45


def test_what_several_runs_share_is_not_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has("a")
    monkeypatch.setenv(hardware.HELD, "0.5")
    assert Meter().joules is None
    monkeypatch.setenv(hardware.HELD, "1")
    assert Meter().joules == 0


@pytest.mark.parametrize("gpus", [(), ("old",), ("a", "old"), ("part-of-one",)])
def test_without_a_counter_of_each_gpu_there_is_none(machine: Machine, gpus: tuple[str, ...]) -> None:
    machine.has(*gpus)
    assert Meter().joules is None


def test_a_counter_that_began_anew_tells_nothing_any_more(machine: Machine) -> None:
    machine.has("a")
    meter = Meter()
    machine.restart(0)
    assert meter.joules is None
    # More than at first by now, but nobody knows how much more.
    machine.take(0, 9_000_000_000)
    assert meter.joules is None


def test_a_driver_that_refuses_tells_nothing(machine: Machine) -> None:
    machine.refuse()
    machine.has("a")
    assert Meter().joules is None


@pytest.mark.parametrize("library", ["libnvidia-no-such.so.1", "libm.so.6"])
def test_without_nvml_there_is_none(machine: Machine, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setattr(energy, "LIBRARY", library)
    machine.has("a")
    assert Meter().joules is None


def test_attempts_add_up_and_one_that_was_not_measured_makes_the_sum_unknown(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = count()
    # Each look at the clock is a second later.
    monkeypatch.setattr(told, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    machine.has("a")
    store, layout = open_store(f"file://{tmp_path}"), ExperimentLayout("ns", "exp").run("rte", "0123456789ab")

    def attempt(joules: int) -> Progress:
        before, spent = spent_before(store, layout)
        clock = Clock(
            before=before, timeout=None, attempts=1, stopped=lambda: False, gpus=1, spent_before=spent, meter=Meter()
        )
        machine.take(0, joules)
        Reporter(store, layout, "a", clock, lambda: "t").progress(1, 10, None, force=True)
        return Progress.model_validate_json(store.get(layout.progress))

    first, second = attempt(300), attempt(45)
    machine.has("old")
    third = attempt(0)
    machine.has("a")
    fourth = attempt(45)

    assert (first.energy_joules, second.energy_joules) == (300, 345)
    assert (third.energy_joules, fourth.energy_joules) == (None, None)
    assert b"energyJoules" not in store.get(layout.progress)


def test_a_result_from_before_is_read_and_tells_none() -> None:
    old = (
        b'{"step": 1, "totalSteps": 2, "secondsLeft": null, "elapsedSeconds": 1, "gpuSeconds": 9, "attempt": "a", '
        b'"time": "t"}'
    )
    assert Progress.model_validate_json(old).spent == Spent(9, None)


class Counting:
    """Ten joules more at each look, from the first on."""

    def __init__(self) -> None:
        self._joules = 0

    @property
    def joules(self) -> float:
        self._joules += 10
        return self._joules


TASK = {"name": "rte", "runs": 1, "training": {"maxSteps": 2, "evalSteps": 2, "maxSeqLength": 32}}


def test_a_run_writes_it_into_progress_and_result(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "Meter", Counting)
    monkeypatch.setattr(hardware, "gpus_held", lambda: 1.0)
    job = workspace.plan([TASK])
    code, log = workspace.run(job)
    assert code == 0, log

    result = workspace.result(job)
    progress = Progress.model_validate_json((workspace.store / workspace.layout(job).progress).read_bytes())

    assert result.gpu_seconds
    assert result.energy_joules
    assert result.energy_joules >= 20
    # The last progress, of the upload, is told after the result is made.
    assert progress.energy_joules
    assert progress.energy_joules > result.energy_joules


def test_a_run_on_cpus_writes_none(workspace: Workspace) -> None:
    job = workspace.plan([TASK])
    code, log = workspace.run(job)
    assert code == 0, log
    written = (workspace.store / workspace.layout(job).result).read_text()
    assert "energyJoules" not in written
    assert "gpuSeconds" not in written
