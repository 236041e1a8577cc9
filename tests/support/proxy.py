"""A real proxy (proxy.py) in a process of its own, which asks for a user and a password where it is to."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from support.apiserver import until

_USER = "team:made-up-word"


class Proxy:
    """`url` holds user and password. `names`: hosts that only the proxy knows, with their addresses."""

    def __init__(
        self,
        folder: Path,
        *,
        hostname: str = "127.0.0.1",
        user: str | None = _USER,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._port_file, self._log = folder / "port", folder / "log"
        self._hostname, self._user, self._names = hostname, user, names

    @property
    def address(self) -> str:
        """The URL without user and password."""
        return f"http://{self._hostname}:{self._port_file.read_text().strip()}"

    @property
    def url(self) -> str:
        """The URL with them."""
        return self.address.replace("://", f"://{_USER}@")

    def passed(self) -> list[str]:
        """`METHOD host:port` of each request that ended."""
        return re.findall(r"- (CONNECT|GET|PUT|HEAD|POST|DELETE) (\S+?:\d+)", self._log.read_text())

    def clients(self, host: str) -> set[str]:
        """The addresses that asked it for a host."""
        asked = rf"(\S+):\d+ - [A-Z]+ {re.escape(host)}:\d+"
        return set(re.findall(asked, self._log.read_text()))

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "proxy", "--hostname", self._hostname, "--port", "0"]
        options = ["--port-file", str(self._port_file), "--log-file", str(self._log)]
        if self._user is not None:
            options += ["--basic-auth", self._user]
        environment = dict(os.environ)
        if self._names:
            options += ["--plugins", "support.proxy_names.NamesPlugin"]
            environment |= {"PYTHONPATH": str(Path(__file__).parents[1]), "PROXY_NAMES": json.dumps(dict(self._names))}
        one = ["--num-workers", "1", "--num-acceptors", "1"]
        self._process = subprocess.Popen([*command, *options, *one], env=environment)
        until(lambda: self._port_file.exists() and bool(self._port_file.read_text().strip()), "the port of the proxy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
