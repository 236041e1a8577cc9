"""A full disk ends a run at once, with what is full, what is needed and what to do: trying again fills it again."""

import errno
import os
import shutil
from collections import namedtuple

import pytest
import torch

from finetune_core.results.run import ExitCode, Failure
from finetune_store import StoreFullError
from finetune_trainer.stored.disk import is_full

Usage = namedtuple("Usage", "total used free")
TASK = {"name": "rte", "runs": 1, "training": {"maxSteps": 2, "evalSteps": 1, "maxSeqLength": 32}}


def raised(step):
    with pytest.raises(Exception) as found:  # noqa: PT011 - whatever a library makes of it
        step()
    return found.value


def written():
    """What the system says, by its device that is always full."""
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


def in_a_store():
    try:
        written()
    except OSError as error:
        raise StoreFullError("cannot write: no space") from error


@pytest.mark.parametrize("step", [written, in_a_store])
def test_what_says_so_is_recognised(tmp_path, step):
    assert is_full(raised(step), tmp_path)


def test_an_error_of_torch_that_does_not_say_so_counts_where_nothing_is_left(tmp_path, monkeypatch):
    # A link, so that a library that writes by renaming would not replace the device.
    (tmp_path / "full").symlink_to("/dev/full")
    error = raised(lambda: torch.save({"weights": torch.zeros(100_000)}, tmp_path / "full"))
    assert not is_full(error, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 20, 100 << 20, 4096))
    assert is_full(error, tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ValueError("odd"), RuntimeError("odd")])
def test_other_errors_are_not_taken_for_it(tmp_path, error):
    assert not is_full(error, tmp_path)


def test_a_run_ends_with_the_place_the_need_and_the_remedy_and_is_not_tried_again(workspace, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/checkpoint/optimizer.pt")

    monkeypatch.setattr("finetune_trainer.data.splits.tokenise", full)
    job = workspace.plan([TASK])
    code, log = workspace.run(job)
    assert code == ExitCode.USER_ERROR
    layout = workspace.layout(job)
    failure = Failure.model_validate_json((workspace.store / layout.failure("attempt-1")).read_bytes())
    needs = 5 * (workspace.model / "model.safetensors").stat().st_size / 2**20
    assert "no space is left for /disk/checkpoint/optimizer.pt" in failure.message
    assert f"a checkpoint of this model needs some {needs:,.0f} MiB" in failure.message
    assert "free space, or set FINETUNE_WORK" in failure.message
    assert failure.message in log
