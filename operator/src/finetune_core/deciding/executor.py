"""What decisions ask about an executor; they know no kind by its name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExecutorTraits:
    """One kind of Kubernetes objects that do units of work (runs, or the searches of tasks).

    `kind`: as in manifests. `resizable`: parallelism changes in place; otherwise it is part of the revision.

    `retries_units`: the object retries each unit by itself, so a unit that failed in it stays failed. Otherwise the
    object is lost as a whole: another one gets the units that are neither done nor given up.

    `driven`: one driver does all units of an object and shares its workers out among them. Then an index is one unit,
    each cluster of a search has an object of its own, and nobody but the pods says how the workers are.

    `max_name`: the most characters in the name of an object, which is then a DNS-1035 label; None where every name of
    ours will do.
    """

    kind: str
    resizable: bool = False
    retries_units: bool = False
    driven: bool = False
    max_name: int | None = None


JOB = ExecutorTraits("Job", resizable=True, retries_units=True)
"""The Job of Kubernetes, which also reports and looks at volumes, whatever does the work."""
