import pytest

from glue_demo import tiny_bert, write
from support.trainer_runs import Workspace


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Generated GLUE data and a tiny random BERT, made once."""
    folder = tmp_path_factory.mktemp("shared")
    write(folder / "glue", train_rows=48, dev_rows=32, test_rows=8)
    tiny_bert(folder / "model")
    return folder


@pytest.fixture
def workspace(shared, tmp_path):
    return Workspace(tmp_path, shared / "model", shared / "glue")
