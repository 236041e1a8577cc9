"""How soon a further worker of a pod can begin a run: forked from a warm parent, against started anew.

`python bench/worker_start.py` (PYTHONPATH=bench). In each pair either way starts one worker (the warm parent is there
already), to the moment where it could begin a run: torch, transformers and the trainer are imported. Seconds by the
clock, which other work of the machine stretches, and seconds of a processor that the worker has used. Writes its
section of bench/RESULTS.md.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from contextlib import closing
from statistics import median
from unittest import mock

import psutil

from finetune_core.results.search.trial import TrialReport
from finetune_trainer.drive import local_pool
from finetune_trainer.drive.local_pool import LocalPool, shares
from finetune_trainer.drive.worker import Report, RunWork, Steps
from finetune_trainer.signals import Stop
from machine import describe, write_section

WAYS = {"forked": local_pool._warm_parent, "spawned": lambda _work: multiprocessing.get_context("spawn")}


class Ready:
    """Work that is nothing but what each run needs."""

    modules = RunWork.modules

    def worker(self, _stop: Stop) -> "Ready":
        """What a run's worker imports."""
        import finetune_trainer.pod  # noqa: PLC0415
        import finetune_trainer.run.session  # noqa: F401, PLC0415

        return self

    def do(self, _order: object) -> Steps:
        """Reports seconds of a processor."""
        used = sum(psutil.Process().cpu_times()[:2])
        yield Report(TrialReport(step=1, progress=0.0, seconds=0.0, metrics={"used": used}))
        return None

    def leave(self) -> None:
        """Nothing is kept."""


def begin(pool: LocalPool, name: str) -> float:
    """Seconds of processors that a new worker has used until it could begin a run."""
    pool.start(name, None)
    while not (answers := pool.wait(1.0)):
        pass
    outcome = answers[0].outcome
    assert isinstance(outcome, Report), outcome
    return float(outcome.evaluation.metrics["used"] or 0.0)


def further_worker(way: Callable[..., object]) -> tuple[float, float]:
    """Seconds by the clock and of processors."""
    with mock.patch.object(local_pool, "_warm_parent", way), closing(LocalPool(Ready(), shares(2, []))) as pool:
        if way is WAYS["forked"]:
            begin(pool, "first")
        began = time.monotonic()
        used = begin(pool, "further")
        return time.monotonic() - began, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    took = [{name: further_worker(way) for name, way in WAYS.items()} for _ in range(pairs)]
    rows = []
    for place, what in enumerate(("by the clock", "of a processor")):
        forked, spawned = ([pair[name][place] for pair in took] for name in WAYS)
        ratios = [one / other for one, other in zip(spawned, forked, strict=True)]
        shown = [f"{median(side):.2f} ({min(side):.2f} to {max(side):.2f})" for side in (spawned, forked)]
        rows.append(
            f"| {what} | {' | '.join(shown)} | {median(ratios):.0f}x ({min(ratios):.0f} to {max(ratios):.0f}) |"
        )
    load = ", ".join(f"{one:.0f}" for one in psutil.getloadavg())
    write_section(
        "worker-start",
        f"## A further worker of a pod\n\n{describe()}\n\n"
        f"Until it could begin a run; {pairs} pairs, either way in turn: median (range). "
        f"Load of the machine (1, 5, 15 minutes): {load}.\n\n"
        "| seconds | started anew | forked from a warm parent | ratio |\n|---|---|---|---|\n" + "\n".join(rows),
    )
    print("\n".join(rows))


if __name__ == "__main__":
    main()
