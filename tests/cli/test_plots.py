"""`finetune plots`: files for papers and slides, from a store."""

from pathlib import Path

import pytest

from finetune_cli.app import main
from finetune_client.exits import Exit
from finetune_store import DirectoryStore
from support.filled_store import finished_experiment, running_search


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made = DirectoryStore(tmp_path / "store")
    finished_experiment(made, "untuned", 0.6, 0.7)
    finished_experiment(made, "tuned", 0.7, 0.8)
    running_search(made)
    return tmp_path / "store"


def test_a_paper_gets_pdfs_of_each_experiment_and_their_comparison(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--store", str(store), "-n", "team", "--to", str(tmp_path / "plots")]
    assert main(["plots", "untuned", "tuned", *where]) == Exit.OK
    names = {
        "untuned/rte-runs",
        "untuned/all-scores",
        "tuned/rte-runs",
        "tuned/all-scores",
        "finetuning_results-comparison",
    }
    assert files(tmp_path / "plots") == {f"{name}.{suffix}" for name in names for suffix in ("pdf", "svg", "png")}
    assert "15 files" in capsys.readouterr().err


def test_slides_of_a_search(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--store", str(store), "-n", "team", "--to", str(tmp_path / "plots"), "--style", "slides"]
    assert main(["plots", "hunt", *where]) == Exit.OK
    assert {"hunt/rte-hyperparameters.png", "hunt/rte-progress.svg", "hunt/rte-parallel.pdf"} <= files(
        tmp_path / "plots"
    )
    assert "hunt: The importance of the hyperparameters" in capsys.readouterr().err


def test_what_is_not_there_is_told(store: Path, tmp_path: Path) -> None:
    where = ["--store", str(store), "-n", "team", "--to", str(tmp_path / "plots")]
    assert main(["plots", "absent", *where]) == Exit.NOT_FOUND
    assert files(tmp_path) == {f"store/{name}" for name in files(store)}
