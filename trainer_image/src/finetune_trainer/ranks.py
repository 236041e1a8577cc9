"""The processes that do one run together (ranks, in torch's word), and what they tell each other outside of training.

They start with the environment that torchrun sets (RANK, WORLD_SIZE, LOCAL_RANK), and meet by a file in a folder of
theirs. What decides a run is decided by the first of them alone; the others follow. All of them ask each question, in
the same order.
"""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from finetune_trainer.errors import UserError

RENDEZVOUS = "FINETUNE_RENDEZVOUS"
"""Names the file by which the processes of a run meet."""

_PATIENCE = timedelta(days=7)
"""The first process may wait for the store, or for whoever looks at an evaluation: that is no reason to part."""

_Value = TypeVar("_Value")


class Ranks:
    """This process among those of its run: `rank` of `count`. Alone, everything is answered at once."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count
        # Of the processors: a GPU would have to be waited for at each question.
        self._group: Any = dist.new_group(backend="gloo", timeout=_PATIENCE) if count > 1 else None

    @property
    def leads(self) -> bool:
        """Whether this one decides, writes and tells."""
        return self.rank == 0

    def share(self, pieces: Sequence[_Value]) -> Sequence[_Value]:
        """This process' pieces: every so-manyth, so that what is sorted by length is shared fairly."""
        return pieces[self.rank :: self.count]

    def told(self, value: _Value) -> _Value:
        """What the first process says."""
        if self._group is None:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self._group)
        return values[0]

    def collected(self, value: _Value) -> list[_Value]:
        """What each process says, in their order; the first alone hears it, others get nothing."""
        if self._group is None:
            return [value]
        values: list[Any] | None = [None] * self.count if self.leads else None
        dist.gather_object(value, values, dst=0, group=self._group)
        return values or []

    def least(self, value: float) -> float:
        """The least of what they say."""
        if self._group is None:
            return value
        found = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.MIN, group=self._group)
        return float(found)

    def total(self, value: torch.Tensor | float, device: torch.device) -> torch.Tensor | float:
        """The sum of what they say; on the device, so that it is not waited for."""
        if self._group is None:
            return value
        whole = torch.zeros((), device=device) + value
        dist.all_reduce(whole)
        return whole

    def wait(self) -> None:
        """Until all are here."""
        if self._group is not None:
            dist.barrier(group=self._group)

    def after_first(self, make: Callable[[], _Value]) -> _Value:
        """What `make` makes; the first process is done before others begin, and leaves its files for them."""
        if not self.leads:
            self.wait()
        made = make()
        if self.leads:
            self.wait()
        return made

    def same_weights(self, model: torch.nn.Module) -> None:
        """Give the model of each process the weights that the first one's has."""
        if self._group is not None:
            for tensor in model.state_dict().values():
                # NCCL takes no others.
                whole = tensor.contiguous()
                dist.broadcast(whole, src=0)
                tensor.copy_(whole)

    def leave(self) -> None:
        """Part from the others for good."""
        if self._group is not None:
            dist.destroy_process_group()


ALONE = Ranks()


def join() -> Ranks:
    """Meet the other processes, once for each; alone where the environment names none. UserError without a GPU each."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if RENDEZVOUS not in os.environ or count == 1:
        return ALONE
    rank, gpus = int(os.environ["RANK"]), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if 0 < gpus < count:
        raise UserError(
            f"a run of {count} processes needs as many GPUs, and {gpus} can be seen: set execution.processesPerRun to "
            "the number of GPUs"
        )
    if gpus:
        torch.cuda.set_device(rank)
    dist.init_process_group(
        "nccl" if gpus else "gloo",
        init_method=Path(os.environ[RENDEZVOUS]).as_uri(),
        rank=rank,
        world_size=count,
        device_id=torch.device("cuda", rank) if gpus else None,
    )
    return Ranks(rank, count)
