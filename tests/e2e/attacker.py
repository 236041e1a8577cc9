"""A ServiceAccount that has the ClusterRole `edit` in one namespace alone: what is done in its name."""

import json
from dataclasses import dataclass

from e2e.harness import K8S
from finetune_core.json_types import Json
from finetune_dev.errors import CommandError
from finetune_dev.kubectl import kubectl

NAME = "mallory"


@dataclass(frozen=True)
class Attacker:
    """The account, by kubectl's impersonation; `victim` is a namespace of somebody else's."""

    namespace: str
    victim: str = ""

    @property
    def user(self) -> str:
        """Its name as a user."""
        return f"system:serviceaccount:{self.namespace}:{NAME}"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Kubectl in its name; CommandError with the API server's words."""
        return kubectl(f"--as={self.user}", "--namespace", self.namespace, *arguments, stdin=stdin)

    def create(self, manifest: Json) -> None:
        """Create an object; CommandError where it is refused."""
        self.kubectl("create", "--validate=strict", "-f", "-", stdin=json.dumps(manifest))

    def refused(self, manifest: Json) -> str:
        """What the API server says of an object that it does not take."""
        try:
            self.create(manifest)
        except CommandError as error:
            return str(error)
        raise AssertionError(f"it was taken: {manifest}")

    def apply(self, *manifests: Json) -> None:
        """Create or change objects."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(items))


def make_editor(namespace: str) -> None:
    """Have the account, with its role, in the namespace."""
    K8S.core.create_namespaced_service_account(namespace, {"metadata": {"name": NAME}})
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    binding = {"metadata": {"name": NAME}, "roleRef": role, "subjects": [subject]}
    K8S.rbac.create_namespaced_role_binding(namespace, binding)
