"""A full disk: recognised in whatever a library makes of it, and told with what a run needs there."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from finetune_trainer.errors import DiskFullError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_WORDS = ("No space left on device", "Disk quota exceeded")
_NOTHING = 1 << 20
"""With less than this left, an error in writing needs no other cause."""

_COPIES = 5
"""Of the weights: those of the checkpoint, two moments of the optimizer, the best ones, those that are published."""


def is_full(error: BaseException, work: Path) -> bool:
    """Whether an error, or one that it came of, says that a disk is full; torch.save says nothing of why it failed."""
    chain = list(_chain(error))
    if any(_says_so(one) for one in chain):
        return True
    return any(isinstance(one, (OSError, RuntimeError)) for one in chain) and free(work) < _NOTHING


def disk_full(error: BaseException, work: Path, model: Path | None) -> DiskFullError:
    """The error to end with; `model` is the model's folder, where it is here."""
    place = next((str(one.filename) for one in _chain(error) if isinstance(one, OSError) and one.filename), work)
    needs = f"; a checkpoint of this model needs some {_mebibytes(_COPIES * _weights(model))}" if model else ""
    return DiskFullError(
        f"no space is left for {place} ({_mebibytes(free(work))} free at {work}{needs}): free space, or set "
        "FINETUNE_WORK (and --store) to a folder on a larger disk; in a cluster, use nodes with more ephemeral "
        f"storage ({error})"
    )


def free(folder: Path) -> int:
    """Bytes that can still be written at a folder that is there or not yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _says_so(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(word in str(error) for word in _WORDS)


def _weights(folder: Path) -> int:
    files = [path for kind in ("*.safetensors", "pytorch_model*.bin") for path in folder.glob(kind)]
    return sum(path.stat().st_size for path in files)


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
