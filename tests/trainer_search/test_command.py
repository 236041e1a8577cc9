"""`finetune search`: the command that docs/cli.md shows, on this machine without a cluster."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from finetune_core.search_layout import SearchLayout
from support.experiments import search

LAYOUT = SearchLayout("default", "hunt")


@pytest.fixture
def manifest(tmp_path):
    """Two trials of a few steps."""
    spec = search("hunt", trials=2, training={"maxSteps": 4, "evalSteps": 2, "trainBatchSize": 8, "maxSeqLength": 16})
    file = tmp_path / "search.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


def test_a_search_leaves_its_best_values_and_again_has_nothing_to_do(manifest, shared, tmp_path):
    inputs = (f"--model={shared / 'model'}", f"--data={shared / 'glue'}")
    command = (str(Path(sys.executable).with_name("finetune")), "search", str(manifest), *inputs)

    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "finetune-results" / LAYOUT.root
    assert yaml.safe_load((folder / "hps/rte.yaml").read_text())["learningRate"] > 0
    trials = {path: path.stat().st_mtime_ns for path in (folder / "trials/rte").rglob("result.json")}
    assert len(trials) == 2

    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in (folder / "trials/rte").rglob("result.json")} == trials
