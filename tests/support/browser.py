"""A real Chromium without a window, driven by its debugging protocol: https://chromedevtools.github.io/devtools-protocol"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import websocket

SCREENSHOTS = "FINETUNE_SCREENSHOTS"
"""A folder that screenshots are kept in, for people to look at."""

_SECONDS = 60


def chromium() -> str | None:
    """The program, where it is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """One tab; lives as long as the `with` block. `problems` are errors that pages logged, broken policies included."""

    def __init__(self) -> None:
        program = chromium()
        if program is None:
            raise RuntimeError("Chromium is not installed")
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-proxy-server",
                 "--remote-allow-origins=*", f"--user-data-dir={self._folder.name}"]  # fmt: skip
        self._process = subprocess.Popen(
            [program, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.problems: list[str] = []
        self._sent = 0

    def __enter__(self) -> Self:
        port_file = Path(self._folder.name) / "DevToolsActivePort"
        until(lambda: port_file.exists() and port_file.read_text().count("\n") == 1, "Chromium listens")
        port, path = port_file.read_text().splitlines()
        address = f"ws://127.0.0.1:{port}{path}"
        self._socket = websocket.create_connection(address, timeout=_SECONDS, http_no_proxy=["127.0.0.1"])
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session: str | None = session["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(_SECONDS)
        self._folder.cleanup()

    _session = None

    def size(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """The window, in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self._call("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url: str) -> None:
        """Load a page; returns when it is loaded."""
        self._call("Page.navigate", {"url": url})
        until(
            lambda: self.run("document.readyState") == "complete" and self.run("location.href") == url, f"{url} loads"
        )

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self._call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        return answer["result"].get("value")

    def wait_until(self, expression: str) -> None:
        """Until a JavaScript expression is true."""
        until(lambda: bool(self.run(expression)), expression)

    def violations(self) -> list[str]:
        """What axe (https://github.com/dequelabs/axe-core) finds wrong for people who see, hear or move differently."""
        self.run(files("axe_core_python").joinpath("axe.min.js").read_text())
        found = self.run("axe.run().then((told) => JSON.stringify(told.violations))")
        return [f"{one['id']}: {node['html'][:200]}" for one in json.loads(found) for node in one["nodes"]]

    def click(self, selector: str) -> None:
        """Click the first element of that selector."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, selector: str, value: str) -> None:
        """Set a field to a value, as its reader would."""
        field = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('change', {{bubbles: true}}))")

    def screenshot(self, name: str) -> None:
        """Keep a picture of the whole page, if somebody wants to look at it."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            data = self._call("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
            (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(data))

    def _call(self, method: str, parameters: dict[str, Any] | None = None) -> Any:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters or {}}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._socket.recv())
            self._note(answer)
            if answer.get("id") == self._sent:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _note(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(message["params"]["exceptionDetails"]))
            case "Log.entryAdded" if message["params"]["entry"]["level"] == "error":
                self.problems.append(message["params"]["entry"]["text"])


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for a condition of another process; TimeoutError names it."""
    end = time.monotonic() + _SECONDS
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"in vain for {_SECONDS} s: {what}")
        time.sleep(0.05)
