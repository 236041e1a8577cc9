"""kopf's handlers: they only say which experiment to look at. No finalizers, no annotations, no state.

Low-level event handlers alone make kopf add no finalizer, so that uninstalling the operator, or deleting a namespace,
never leaves a resource stuck (docs/decisions/0001-work-queue-and-no-finalizers.md).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import kopf

from finetune_core.names import is_name
from finetune_kube import names
from finetune_kube.kinds import KINDS
from finetune_operator.executors import EXECUTORS
from finetune_operator.service import Service

_OURS: dict[str, Any] = dict(names.OURS)


def is_news(event: str | None, body: Mapping[str, Any]) -> bool:
    """Whether an event about an experiment or search is more than the echo of our own writing its status."""
    metadata, status = body["metadata"], body.get("status") or {}
    known = status.get("observedGeneration") == metadata["generation"] and "deletionTimestamp" not in metadata
    return event != "MODIFIED" or not known


def owner_of(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """Kind and name of a child's owner, by its labels; None for what is no child of ours.

    A hint where to look, which anybody may write: whose child it is shows at the look.
    """
    for kind in KINDS:
        name = labels.get(kind.label)
        if name is not None:
            return (kind.kind, name) if is_name(name) else None
    return None


def register(registry: kopf.OperatorRegistry, service: Service, *, clusterwide: bool) -> None:
    """Register the handlers that feed `service`."""
    worked_by = [executor.kind for executor in EXECUTORS.all]

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        # A registry of one's own has no login of kopf's default one; the token is read anew when it is refused.
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        # kopf's own defaults wait for ever on a connection that a middlebox has dropped.
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 330
        settings.watching.connect_timeout = 30
        for kind in worked_by:
            settings.watching.label_selectors[kind.group, kind.plural] = f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY}"
        # Without rights on the whole cluster, kopf would look for namespaces and CRDs in vain for a minute.
        settings.scanning.disabled = not clusterwide
        settings.posting.enabled = False
        await service.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await service.stop()

    for kind in KINDS:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(_poking(service, kind.kind))

    async def work_changed(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
        owner = owner_of(labels)
        if owner is not None:
            await service.poke(owner[0], namespace or "", owner[1])

    for kind in worked_by:
        # Where a kind is not installed, kopf warns once and, clusterwide, begins when its CRDs come.
        kopf.on.event(kind.group, kind.version, kind.plural, labels=_OURS, registry=registry)(work_changed)

    if clusterwide:

        @kopf.on.event("", "v1", "namespaces", registry=registry)
        async def namespace_changed(name: str, body: kopf.Body, **_: Any) -> None:
            if body.get("status", {}).get("phase") == "Terminating":
                await service.clear_namespace(name)


def _poking(service: Service, kind: str) -> Callable[..., Awaitable[None]]:
    async def changed(
        type: str | None,  # noqa: A002 - kopf's name for it
        body: kopf.Body,
        namespace: str | None,
        name: str,
        **_: Any,
    ) -> None:
        if is_news(type, body):
            await service.poke(kind, namespace or "", name)

    return changed
