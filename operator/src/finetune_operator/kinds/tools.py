"""What a look at either kind works with, once the object's store is there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Self

import urllib3

from finetune_core.deciding.observation import PodView, Stall
from finetune_core.layout import ExperimentLayout
from finetune_operator import manifests
from finetune_operator.action_executor import ActionExecutor
from finetune_operator.children.reader import Children
from finetune_operator.children.signs import silent_pod
from finetune_operator.cluster import Cluster
from finetune_operator.executors import Executors
from finetune_operator.inputs.planner import Planner
from finetune_operator.inputs.resolver import Resolver
from finetune_operator.memory import LookMemory
from finetune_operator.storage import Connection
from finetune_store import Store


@dataclass(frozen=True)
class Tools:
    """`silent` finds the pod that gives no sign of life."""

    children: Children
    actor: ActionExecutor
    silent: Callable[[Iterable[PodView]], Stall | None]
    planner: Planner

    @classmethod
    def of(
        cls,
        owner: manifests.Owner,
        memory: LookMemory,
        settings: manifests.PodSettings,
        connection: Connection,
        store: Store,
        root: str,
        *,
        now: float,
        every: float,
        cluster: Cluster,
        executors: Executors,
        http: urllib3.PoolManager,
    ) -> Self:
        """Those of one look; `root` is the object's folder in the store, `every` the seconds between looks."""
        children = Children(cluster, owner, memory, store, executors, settings, now=now)
        actor = ActionExecutor(cluster, owner, settings, executors)
        layout = ExperimentLayout(owner.namespace, owner.name)
        silent = partial(silent_pod, store, layout, memory=memory, now=now, every=every)
        timeout = settings.execution.stall_timeout_seconds
        resolver = Resolver(owner, connection, store, children, actor, http, root, silent, timeout)
        return cls(children, actor, silent, Planner(owner, store, resolver))
