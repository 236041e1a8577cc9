"""What the end-to-end tests share: the operator on the real cluster, inputs in its store, a namespace a test.

The cluster must be up and have the images (`make e2e` sees to both): where it has not, the tests fail, they never skip.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import Experiment, Experiments, Upgrade, operator_ready, wait_until
from e2e.inputs import upload_inputs
from e2e.namespaces import fresh_namespace
from finetune_dev import release
from finetune_dev.kubectl import helm
from finetune_dev.paths import REPOSITORY
from finetune_dev.shell import one_at_a_time
from finetune_store import Store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Iterator[Store]:
    """The embedded store of the installed release, with a tiny model and small data in it."""
    ready = tmp_path_factory.getbasetemp().parent / f"e2e-{testrun_uid}"
    # The first process of a run does it for all.
    with one_at_a_time(ready):
        if not (ready / "done").exists():
            release.install()
            wait_until("the operator to answer its probes", operator_ready)
            with release.embedded_store() as opened:
                upload_inputs(opened, tmp_path_factory.mktemp("inputs"))
            (ready / "done").touch()
    with release.embedded_store() as opened:
        yield opened


@pytest.fixture
def namespace(store: Store) -> Iterator[str]:
    """A fresh namespace with the store's Secret."""
    with fresh_namespace() as name:
        yield name


@pytest.fixture
def experiment(store: Store, namespace: str) -> Experiments:
    """Handles of experiments in a fresh namespace."""
    return lambda name: Experiment(namespace, name, store)


@pytest.fixture
def upgraded() -> Iterator[Upgrade]:
    """Upgrades the release by one value; the release is as before at the end."""

    def upgrade(change: str) -> None:
        helm(
            *("upgrade", release.RELEASE, REPOSITORY / "helm/finetune-operator", "--namespace", release.NAMESPACE),
            *("--reuse-values", "--set", change, "--wait", "--timeout", "3m"),
        )

    yield upgrade
    release.install()
