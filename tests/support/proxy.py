"""A real proxy (proxy.py) in a process of its own, which asks for a user and a password."""

import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from support.apiserver import until

_USER = "team:made-up-word"


class Proxy:
    """`url` holds user and password; `said()` is its access log."""

    def __init__(self, folder: Path) -> None:
        self._port_file, self._log = folder / "port", folder / "log"

    @property
    def address(self) -> str:
        """The URL without user and password."""
        return f"http://127.0.0.1:{self._port_file.read_text().strip()}"

    @property
    def url(self) -> str:
        """The URL with them."""
        return self.address.replace("://", f"://{_USER}@")

    def passed(self) -> list[str]:
        """`METHOD host:port` of each request that ended."""
        return re.findall(r"- (CONNECT|GET|PUT|HEAD|POST|DELETE) (\S+?:\d+)", self._log.read_text())

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0"]
        options = ["--port-file", str(self._port_file), "--basic-auth", _USER, "--log-file", str(self._log)]
        self._process = subprocess.Popen([*command, *options, "--num-workers", "1", "--num-acceptors", "1"])
        until(lambda: self._port_file.exists() and bool(self._port_file.read_text().strip()), "the port of the proxy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
