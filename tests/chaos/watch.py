"""A thread that looks at everything, again and again, and keeps what it saw; on disk, what changed."""

import json
import threading
from pathlib import Path
from typing import Any, Self

from chaos.look import Eyes
from chaos.observed import Json, Look

_EVERY = 0.5


class Watch:
    """`with Watch(eyes, log) as watch:` looks for as long as the context lasts."""

    def __init__(self, eyes: Eyes, log: Path) -> None:
        self._eyes = eyes
        self._log = log.open("a", encoding="utf-8")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._told: Json = {}
        self.looks: list[Look] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._log.close()

    def require(self) -> None:
        """RuntimeError where it looks no more: nothing that depends on it would ever be seen."""
        if not self._thread.is_alive():
            raise RuntimeError("the thread that looks has died; its error is above")

    def write(self, **event: Any) -> None:
        """A line of the log, and of the screen."""
        line = {"at": round(self._eyes.now(), 1), **event}
        print(json.dumps(line, default=str)[:400], flush=True)
        self._log.write(json.dumps(line, default=str) + "\n")
        self._log.flush()

    def _work(self) -> None:
        while not self._over.wait(_EVERY):
            look = self._eyes.look()
            self.looks.append(look)
            self._tell(look)

    def _tell(self, look: Look) -> None:
        """What is another than it was at the look before."""
        seen = _brief(look)
        changed = {name: value for name, value in seen.items() if self._told.get(name) != value}
        if changed:
            self._told = seen
            self._log.write(json.dumps({"at": round(look.at, 1), "look": changed}, default=str) + "\n")


def _brief(look: Look) -> Json:
    """What a reader needs: status, phases and keys; None for what did not answer."""
    statuses = look.owners and {name: one.get("status") for name, one in look.owners.items()}
    children = look.children and {kind: list(map(_phase, found)) for kind, found in look.children.items()}
    keys = look.keys and sorted(key for key in look.keys if "/drivers/" not in key)
    return {"owners": statuses, "children": children, "keys": keys}


def _phase(child: Json) -> str:
    suspended = " suspended" if child["spec"]["suspend"] else ""
    return f"{child['metadata']['name']} {child['status']['phase'] or ''}{suspended}"
