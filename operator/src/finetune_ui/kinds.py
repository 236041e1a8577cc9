"""The two kinds on the page, and experiments and runs by name: their words in addresses. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from finetune_client.errors import UsageError
from finetune_client.overview import Overview
from finetune_core.names import is_name, is_namespace, quoted
from finetune_core.planning.plan import PlannedRun
from finetune_kube.kinds import EXPERIMENT, SEARCH, Kind

KINDS: Mapping[str, Kind] = {"experiments": EXPERIMENT, "searches": SEARCH}
"""Word in an address -> kind."""

_RUN = re.compile(r"[0-9]{1,6}")

_WORDS = {kind: word for word, kind in KINDS.items()}


def path_of(seen: Overview) -> str:
    """Address of an object's page."""
    return f"/{_WORDS[seen.kind]}/{quote(seen.namespace, safe='')}/{quote(seen.name, safe='')}"


@dataclass(frozen=True)
class RunPlace:
    """An experiment, or one run of it: the `run`-th of a task. Both are empty for all of the experiment."""

    namespace: str
    name: str
    task: str | None = None
    run: int | None = None

    @classmethod
    def of(cls, text: str) -> "RunPlace":
        """From `team/demo` or `team/demo/rte/0`; UsageError."""
        match text.split("/"):
            case [namespace, name] if is_namespace(namespace) and is_name(name):
                return cls(namespace, name)
            case [namespace, name, task, run] if is_namespace(namespace) and is_name(name) and _RUN.fullmatch(run):
                return cls(namespace, name, task, int(run))
        raise UsageError(
            f"{quoted(text)} names no experiment and no run", "Write NAMESPACE/NAME, or NAMESPACE/NAME/TASK/RUN."
        )

    @property
    def text(self) -> str:
        """As `of` reads it."""
        return "/".join(str(part) for part in (self.namespace, self.name, self.task, self.run) if part is not None)

    @property
    def path(self) -> str:
        """Address of its page."""
        own = f"/experiments/{quote(self.namespace, safe='')}/{quote(self.name, safe='')}"
        return own if self.task is None else f"{own}/runs/{quote(self.task, safe='')}/{self.run}"

    def is_of(self, run: PlannedRun) -> bool:
        """Whether a planned run is meant."""
        return self.task is None or (run.task, run.run) == (self.task, self.run)
