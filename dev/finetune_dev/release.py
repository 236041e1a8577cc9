"""The operator in the cluster in use: the chart with the project's images and the embedded store."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

from finetune_dev.forward import forwarded
from finetune_dev.image.catalogue import OPERATOR, SEAWEEDFS, TRAINER, Image
from finetune_dev.kubectl import helm, kubectl
from finetune_dev.paths import REPOSITORY
from finetune_store import S3Connection, Store, open_store

RELEASE = "finetune-operator"
NAMESPACE = "finetune-system"
STORE = f"{RELEASE}-store"
"""Name of the embedded store's StatefulSet, Service and Secret alike."""

UI = f"{RELEASE}-ui"
"""Name of the web page's Deployment and Service."""

UI_PORT = 80
BUCKET = "finetune"
_PORT = 8333


def install() -> None:
    """Install or upgrade the chart and wait until operator and store are ready."""
    values = {
        "image": _image(OPERATOR),
        "trainerImage": _image(TRAINER),
        # The tag stays the same when the code changes: this makes the upgrade replace the pods.
        "podAnnotations": {"finetune.dev/sources": OPERATOR.digest("")},
        "ui": {"enabled": True},
        # No volumes can be claimed in the local cluster: data lives as long as the store's pod.
        "store": {"enabled": True, "image": _image(SEAWEEDFS), "persistence": {"enabled": False}, "bucket": BUCKET},
    }
    helm(
        *("upgrade", "--install", RELEASE, REPOSITORY / "helm/finetune-operator", "--values", "-"),
        *("--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "3m"),
        stdin=json.dumps(values),
    )


def _image(image: Image) -> dict[str, str]:
    repository, _, tag = image.reference.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}


def make_namespace(name: str) -> None:
    """Have a namespace with the Secret that the embedded store's experiments read."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": STORE, "namespace": name},
        "data": _secret_data(),
    }
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [space, secret]}))


def _secret_data() -> dict[str, str]:
    secret: dict[str, dict[str, str]] = json.loads(
        kubectl("--namespace", NAMESPACE, "get", "secret", STORE, "--output", "json")
    )
    return secret["data"]


@contextmanager
def embedded_store() -> Iterator[Store]:
    """The embedded store's bucket, reached from this machine."""
    keys = {name: base64.b64decode(value).decode() for name, value in _secret_data().items()}
    with forwarded(NAMESPACE, f"service/{STORE}", _PORT) as port:
        endpoint = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "us-east-1"}
        yield open_store(f"s3://{BUCKET}", connection=S3Connection.from_env(keys | endpoint))
