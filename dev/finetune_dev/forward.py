"""Reaching a service of the cluster from this machine, whatever cluster it is."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from finetune_dev.errors import DevError
from finetune_dev.kubectl import cluster_environment, program
from finetune_dev.shell import wait_for

_START_SECONDS = 30
_READY = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[int]:
    """A local port that leads to `port` of a service or pod (`service/name`) while the context lasts.

    The connection is to one pod: it ends when that pod does. Raises `DevError` where it cannot be made.
    """
    command = [program("kubectl"), "--namespace", namespace, "port-forward", target, f":{port}"]
    environment = {**os.environ, **cluster_environment()}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)

        def said() -> str:
            output.seek(0)
            return output.read()

        def ready() -> bool:
            if process.poll() is not None:
                raise DevError(f"no way to {target} in {namespace}: {said().strip()}")
            return _READY.search(said()) is not None

        try:
            wait_for(f"a port to {target}", ready, seconds=_START_SECONDS, hint=said)
            found = _READY.search(said())
            yield int(found.group(1)) if found else 0
        finally:
            process.kill()
            process.wait()
