"""Namespaces of tests: made with the store's Secret, gone at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from kubernetes.client import ApiException

from e2e.harness import K8S, wait_until
from finetune_dev import release


@contextmanager
def fresh_namespace() -> Iterator[str]:
    """A namespace with the store's Secret; deleted, with all in it, at the end."""
    name = f"e2e-{uuid4().hex[:8]}"
    release.make_namespace(name)
    try:
        yield name
    finally:
        delete_namespace(name)


def delete_namespace(name: str) -> None:
    """Delete a namespace, if it is there, and wait until it is gone."""
    try:
        K8S.core.delete_namespace(name)
    except ApiException as error:
        if error.status not in {404, 409}:
            raise
    wait_until(f"namespace {name} to be gone", lambda: not namespace_exists(name), seconds=120)


def namespace_exists(name: str) -> bool:
    """Whether there is a namespace of that name, be it terminating."""
    try:
        K8S.core.read_namespace(name)
    except ApiException as error:
        if error.status == 404:
            return False
        raise
    return True
