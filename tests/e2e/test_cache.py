"""A folder of the node keeps the model for the pods that come later."""

from pathlib import Path
from tempfile import mkdtemp

import pytest

from e2e.harness import TINY_MODEL, Experiments, reason, spec
from finetune_dev.kubectl import kubectl


@pytest.fixture
def folder() -> Path:
    """A folder of the node, which is this machine, that the pods' user may write."""
    made = Path(mkdtemp(prefix="finetune-cache-", dir="/var/tmp"))
    made.chmod(0o777)
    return made


def test_the_second_pod_has_the_model_that_the_first_has_fetched(experiment: Experiments, folder: Path) -> None:
    execution = {"cache": {"hostPath": {"path": str(folder)}}, "parallelism": 1}
    suite = experiment("cached").apply(spec(["rte"], runs=2, execution=execution))
    assert reason(suite.ends()) == "AllRunsSucceeded", suite.describe()

    (kept,) = folder.rglob("model.safetensors")
    trained = f"{suite.selector},finetune.dev/role=train"
    log = kubectl("--namespace", suite.namespace, "logs", f"--selector={trained}", "--tail=-1", "--prefix")
    assert len({line.split()[0] for line in log.splitlines()}) == 2
    fetched = [line for line in log.splitlines() if f"fetched {TINY_MODEL}" in line]
    assert len(fetched) == 1, log
    assert str(kept.relative_to(folder).parent) in fetched[0]
