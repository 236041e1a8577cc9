"""Work for the processes of a crew, without torch; here, since a process that is started imports it by name."""

import os
import signal
import time

from finetune_core.results.run import ExitCode, Failure, FailureReason

RANK = "RANK"
SAVING_SECONDS = 5.0
"""Longer than others are waited for after a failure."""


class Parts:
    """Work whose order says what each process does."""

    modules = ()

    def worker(self, _stop):
        return Part()


class Part:
    def do(self, order):
        yield from ()
        what = order[int(os.environ[RANK])]
        if what == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "saves":
            time.sleep(SAVING_SECONDS)
        if what == "pauses":
            time.sleep(SAVING_SECONDS / 10)
        while what == "hangs":
            time.sleep(0.01)
        return None if what in {"done", "pauses"} else failure(what)

    def leave(self):
        pass


def failure(what):
    codes = {"fails": ExitCode.USER_ERROR, "lost": ExitCode.RETRY}
    return Failure(
        reason=FailureReason.USER_ERROR,
        message=f"{what} {os.environ[RANK]}",
        run_id="r",
        task="rte",
        run=0,
        attempt="a",
        exit_code=codes.get(what, ExitCode.INTERRUPTED),
        time="",
    )
