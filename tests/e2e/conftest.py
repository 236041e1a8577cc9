"""What the end-to-end tests share: the operator on the real cluster, inputs in its store, a namespace a test.

The cluster must be up and have the images (`make e2e` sees to both): where it has not, the tests fail, they never skip.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import GLUE, SMALL_GLUE, TINY_MODEL, Experiment, Experiments, operator_ready, wait_until
from e2e.namespaces import fresh_namespace
from finetune_dev import release
from finetune_store import Store, upload_tree
from glue_demo import tiny_bert, write

GLUE_TASKS = ("cola", "rte", "mrpc", "stsb", "wnli", "sst2")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The embedded store of the installed release, with a tiny model and small data in it."""
    release.install()
    wait_until("the operator to answer its probes", operator_ready)
    folder = tmp_path_factory.mktemp("inputs")
    model = tiny_bert(folder / "tiny")
    official = write(folder / "glue", train_rows=64, dev_rows=32, test_rows="official", tasks=GLUE_TASKS)["tsv"]
    small = write(folder / "small", train_rows=64, dev_rows=32, test_rows=8, tasks=GLUE_TASKS)["tsv"]
    with release.embedded_store() as opened:
        for local, uri in ((model, TINY_MODEL), (official, GLUE), (small, SMALL_GLUE)):
            upload_tree(opened, local, uri.removeprefix(f"s3://{release.BUCKET}/"))
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
