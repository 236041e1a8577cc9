"""Queues of Kueue's, and what Kueue has made of Jobs."""

from collections.abc import Mapping
from dataclasses import dataclass

from kubernetes import client

from finetune_core.json_types import Json

_GROUP = ("kueue.x-k8s.io", "v1beta2")
_FLAVOR = "default"
_PLENTY = {"memory": "1Ti", "ephemeral-storage": "10Ti"}
"""Of what our pods ask for beside CPUs: a queue that does not cover it admits none of them."""


@dataclass(frozen=True)
class Queues:
    """Quotas, and what Kueue has made of Jobs."""

    api: client.ApiClient

    @property
    def custom(self) -> client.CustomObjectsApi:
        """For objects of Kueue's."""
        return client.CustomObjectsApi(self.api)

    def quota(self, name: str, namespace: str, **resources: str) -> None:
        """A ClusterQueue with a quota (`cpu="2"`) that prefers what has a higher priority, and a LocalQueue to it."""
        self.covering(name, namespace, {**_PLENTY, **resources})

    def covering(self, name: str, namespace: str, resources: Mapping[str, str]) -> None:
        """The same with a quota for these resources alone."""
        quotas = [{"name": one, "nominalQuota": much} for one, much in resources.items()]
        spec = {
            "namespaceSelector": {},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [{"coveredResources": [*resources], "flavors": [{"name": _FLAVOR, "resources": quotas}]}],
        }
        self._create("resourceflavors", "ResourceFlavor", _FLAVOR, {})
        self._create("clusterqueues", "ClusterQueue", name, spec)
        self.local(name, namespace, name)

    def local(self, queue: str, namespace: str, cluster_queue: str) -> None:
        """A LocalQueue of a ClusterQueue."""
        item = _item("LocalQueue", queue, {"clusterQueue": cluster_queue})
        self.custom.create_namespaced_custom_object(*_GROUP, namespace, "localqueues", item)

    def workload(self, namespace: str, uid: str) -> Json:
        """What Kueue has made of the object of that uid; {} before it has."""
        found = self.custom.list_namespaced_custom_object(
            *_GROUP, namespace, "workloads", label_selector=f"kueue.x-k8s.io/job-uid={uid}"
        )
        return next(iter(found["items"]), {})

    def drop(self, namespace: str, uid: str) -> None:
        """Delete what Kueue has made of the object of that uid."""
        name = self.workload(namespace, uid)["metadata"]["name"]
        self.custom.delete_namespaced_custom_object(*_GROUP, namespace, "workloads", name)

    def forget(self, name: str) -> None:
        """Delete a ClusterQueue; what is in it keeps it until that is gone."""
        self.custom.delete_cluster_custom_object(*_GROUP, "clusterqueues", name)

    def _create(self, plural: str, kind: str, name: str, spec: Json) -> None:
        try:
            self.custom.create_cluster_custom_object(*_GROUP, plural, _item(kind, name, spec))
        except client.ApiException as error:
            if error.status != 409:
                raise


def _item(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": "/".join(_GROUP), "kind": kind, "metadata": {"name": name}, "spec": spec}
