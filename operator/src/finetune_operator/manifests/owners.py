"""Whose child an object is: owner references and labels."""

from collections.abc import Mapping
from dataclasses import dataclass

from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.deciding.observation import JobRole
from finetune_core.json_types import Json
from finetune_kube import names
from finetune_kube.kinds import EXPERIMENT
from finetune_kube.ownership import controller_of


@dataclass(frozen=True)
class Owner:
    """The experiment or search that children belong to; `release` is the one of the operator that makes them."""

    namespace: str
    name: str
    uid: str
    kind: str = EXPERIMENT.kind
    release: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is remembered by: another object of its name has another uid."""
        return self.namespace, self.name, self.uid

    @property
    def annotations(self) -> dict[str, str]:
        """What children say of who made them."""
        return {names.RELEASE_ANNOTATION: self.release} if self.release else {}

    @property
    def reference(self) -> Json:
        """An owner reference: children go with their owner, results stay."""
        return {
            "apiVersion": EXPERIMENT.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }

    def controls(self, item: Json) -> bool:
        """Whether the object's controller is this object, or was an earlier one of its name; labels are no proof."""
        controller = controller_of(item)
        return controller is not None and (controller["kind"], controller.get("name")) == (self.kind, self.name)


def metadata_of(owner: Owner, name: str, role: JobRole) -> Json:
    """Metadata of a child that has a role."""
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": labels_of(owner, role),
        "annotations": owner.annotations,
        "ownerReferences": [owner.reference],
    }


def labels_of(owner: Owner, role: JobRole) -> dict[str, str]:
    """The labels by which children, and their pods, are found."""
    return names.children_of(owner.name, owner.kind, role.value)


def work_metadata(
    owner: Owner, work: CreateTrainJob, *, plan: str, queue: str | None, made_by: Mapping[str, str]
) -> Json:
    """Metadata of an object that does work, with what a look at it must find again; `plan` is its ConfigMap."""
    metadata = metadata_of(owner, work.name, JobRole.TRAIN)
    metadata["annotations"] |= {
        **made_by,
        names.REVISION_ANNOTATION: work.revision,
        names.ROUND_ANNOTATION: str(work.round),
        names.PLAN_ANNOTATION: plan,
    }
    # Kueue decides when the Job of a queue starts.
    extra = {names.QUEUE_LABEL: queue, names.SEQUENCE_LABEL: work.sequence}
    metadata["labels"].update({label: value for label, value in extra.items() if value})
    return metadata
