"""What a store has to guarantee, and what is said of one that does not: `create` makes an object only once."""

from finetune_core.problems import Problem

_REMEDY = "use a server that honours conditional writes (AWS S3, MinIO, SeaweedFS), or a newer version of this one"


def unsafe_storage(uri: str) -> str:
    """What a store means for results that overwrites what `create` is to leave alone."""
    return (
        f"{uri} overwrites an object that is to be created only once: the server ignores If-None-Match. Where a pod is "
        "lost and goes on beside its successor, a run or trial may be done twice, and the later result replaces the "
        f"first: {_REMEDY}"
    )


def shared_search(uri: str, clusters: int) -> Problem | None:
    """Why a search with several drivers cannot use such a store; None where it has one."""
    if clusters == 1:
        return None
    return Problem(
        "spec.clusters",
        f"{clusters} drivers share the trials by creating claims, and {uri} lets each of them create the same one (the "
        "server ignores If-None-Match), so that trials would be done twice and results replaced: set it to 1 (trials "
        f"still run side by side, see concurrentTrials), or {_REMEDY}",
    )
