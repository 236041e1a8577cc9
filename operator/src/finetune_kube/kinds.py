"""The kinds of objects that are read or written, as the API names them."""

from dataclasses import dataclass

from finetune_core.api.crd import GROUP, VERSION


@dataclass(frozen=True)
class Kind:
    """A kind; `short` is its name at a terminal, `label` the label that its children carry (of ours alone)."""

    kind: str
    plural: str
    version: str
    group: str = ""
    short: str = ""
    label: str = ""

    @property
    def api_version(self) -> str:
        """As in a manifest: `v1`, `batch/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def words(self) -> frozenset[str]:
        """What it goes by on the command line, as with kubectl."""
        return frozenset({self.plural, self.kind.lower(), self.short})


EXPERIMENT = Kind("FinetuneExperiment", "finetuneexperiments", VERSION, GROUP, "fte", f"{GROUP}/experiment")
SEARCH = Kind("HPSearch", "hpsearches", VERSION, GROUP, "hps", f"{GROUP}/search")
JOB = Kind("Job", "jobs", "v1", "batch")
RAY_JOB = Kind("RayJob", "rayjobs", "v1", "ray.io")
POD = Kind("Pod", "pods", "v1")
SERVICE = Kind("Service", "services", "v1")
CONFIG_MAP = Kind("ConfigMap", "configmaps", "v1")
SECRET = Kind("Secret", "secrets", "v1")
EVENT = Kind("Event", "events", "v1")
NETWORK_POLICY = Kind("NetworkPolicy", "networkpolicies", "v1", "networking.k8s.io")
LEASE = Kind("Lease", "leases", "v1", "coordination.k8s.io")

_KUEUE_VERSIONS = ("v1beta2", "v1beta1")
"""Releases begin with the second. What is asked for in it, a later one has to convert: it can only while it runs."""
LOCAL_QUEUES = tuple(Kind("LocalQueue", "localqueues", version, "kueue.x-k8s.io") for version in _KUEUE_VERSIONS)
"""A queue of Kueue's, in each version that serves it."""
WORKLOADS = tuple(Kind("Workload", "workloads", version, "kueue.x-k8s.io") for version in _KUEUE_VERSIONS)
"""What Kueue makes of each Job in a queue, and says of it."""

KINDS = (EXPERIMENT, SEARCH)
"""The custom resources: what people name."""


def kind_of(name: str) -> Kind:
    """The custom resource of a manifest's `kind`; ValueError for another."""
    for kind in KINDS:
        if kind.kind == name:
            return kind
    raise ValueError(name)
