"""`python -m glue_demo`."""

from pathlib import Path

import pytest

from glue_demo.__main__ import main


def test_the_command_writes_what_it_is_asked_for_and_names_the_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([str(tmp_path), "--rows", "6", "4", "2", "--layout", "both", "--tasks", "cola", "ax"])
    assert code == 0
    assert capsys.readouterr().out == f"tsv: {tmp_path}/tsv\nparquet: {tmp_path}/parquet\n"
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {
        "tsv/CoLA/train.tsv",
        "tsv/CoLA/dev.tsv",
        "tsv/CoLA/test.tsv",
        "tsv/diagnostic/diagnostic.tsv",
        "parquet/cola/train-00000-of-00001.parquet",
        "parquet/cola/validation-00000-of-00001.parquet",
        "parquet/cola/test-00000-of-00001.parquet",
        "parquet/ax/test-00000-of-00001.parquet",
    }


def test_full_test_sizes_leave_train_and_dev_small(tmp_path: Path) -> None:
    main([str(tmp_path), "--rows", "6", "4", "2", "--sizes", "full-test", "--tasks", "wnli"])
    counts = [
        len((tmp_path / "WNLI" / f"{name}.tsv").read_text("utf-8").removesuffix("\n").split("\n")) - 1
        for name in ("train", "dev", "test")
    ]
    assert counts == [6, 4, 146]


def test_a_wrong_number_of_rows_ends_with_a_reason_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--rows", "0", "4", "2"]) == 1
    assert capsys.readouterr().err == "glue_demo: train_rows is 0: give a number of rows, 1 or more\n"
