import pytest

from support.trainer_runs import Workspace, made_inputs


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Generated GLUE data and a tiny random BERT, made once."""
    return made_inputs(tmp_path_factory.mktemp("shared"), train=48, dev=32, test=8)


@pytest.fixture
def workspace(shared, tmp_path):
    return Workspace(tmp_path, shared / "model", shared / "glue")
