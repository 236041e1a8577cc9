"""Whether anything of ours is left that nobody owns or needs. Pure."""

from collections.abc import Iterator

from chaos.check_course import is_live, owner_uid
from chaos.observed import Json, Look, Violation

_INVARIANT = "nothing orphaned"


def check_settled(look: Look) -> Iterator[Violation]:
    """When all have ended: what is there has an owner that is there, has ended, and is still needed."""
    children, owners = look.children or {}, look.owners or {}
    alive = {one["metadata"]["uid"] for one in owners.values()}
    alive |= {job["metadata"]["uid"] for job in children["jobs"]}
    for kind, found in children.items():
        for child in found:
            if owner_uid(child) not in alive:
                yield Violation(_INVARIANT, f"{_named(kind, child)} has no owner")
    yield from _not_ended(children)
    yield from _needless_plans(children, owners)
    yield from (Violation(_INVARIANT, f"{_named('networkpolicies', one)} has no cluster") for one in _policies(look))


def check_gone(look: Look) -> Iterator[Violation]:
    """When all were deleted: nothing of ours is left."""
    for kind, found in (look.children or {}).items():
        yield from (Violation(_INVARIANT, f"{_named(kind, child)} outlives its owner") for child in found)


def _not_ended(children: dict[str, list[Json]]) -> Iterator[Violation]:
    for job in children["jobs"]:
        if is_live(job) or job["spec"].get("suspend"):
            yield Violation(_INVARIANT, f"{_named('jobs', job)} has not ended although its owner has")
    for pod in children["pods"]:
        if pod["status"]["phase"] in {"Running", "Pending"}:
            yield Violation(
                _INVARIANT, f"{_named('pods', pod)} is {pod['status']['phase']} although its owner has ended"
            )


def _needless_plans(children: dict[str, list[Json]], owners: dict[str, Json]) -> Iterator[Violation]:
    """ConfigMaps that no Job mounts and no status names."""
    needed = {one.get("status", {}).get("configMap") for one in owners.values()}
    for job in children["jobs"]:
        volumes = job["spec"]["template"]["spec"].get("volumes") or ()
        needed |= {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
    for config_map in children["configmaps"]:
        if config_map["metadata"]["name"] not in needed:
            yield Violation(_INVARIANT, f"{_named('configmaps', config_map)} is used by nothing")


def _policies(look: Look) -> list[Json]:
    """The campaign has no Ray clusters, for which alone policies are made."""
    return (look.children or {}).get("networkpolicies", [])


def _named(kind: str, child: Json) -> str:
    return f"{kind}/{child['metadata']['name']}"
