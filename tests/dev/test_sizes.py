"""No module and no folder of modules grows beyond what one can read."""

from collections import Counter
from pathlib import Path

import pytest

from finetune_dev.paths import REPOSITORY

_MOST_LINES = 300
_MOST_MODULES = 20
_TREES = ("operator/src", "trainer_image/src", "dev", "bench")


def _modules(tree: Path) -> list[Path]:
    return [path for path in sorted(tree.rglob("*.py")) if not any(part.startswith(".") for part in path.parts)]


def _long_modules(tree: Path) -> dict[Path, int]:
    lines = {path.relative_to(tree): len(path.read_text().splitlines()) for path in _modules(tree)}
    return {path: count for path, count in lines.items() if count > _MOST_LINES}


def _full_folders(tree: Path) -> dict[Path, int]:
    modules = Counter(path.parent.relative_to(tree) for path in _modules(tree))
    return {folder: count for folder, count in modules.items() if count > _MOST_MODULES}


@pytest.mark.parametrize("tree", _TREES)
def test_no_module_is_longer_than_300_lines(tree: str) -> None:
    assert _modules(REPOSITORY / tree)
    assert _long_modules(REPOSITORY / tree) == {}, "split it by meaning"


@pytest.mark.parametrize("tree", _TREES)
def test_no_folder_has_more_than_20_modules(tree: str) -> None:
    assert _full_folders(REPOSITORY / tree) == {}, "make a sub-package of those that belong together"


def test_a_line_and_a_module_too_many_are_found(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    for number in range(_MOST_MODULES):
        (tmp_path / "room" / f"module_{number}.py").write_text("x = 1\n" * _MOST_LINES)
    assert (_long_modules(tmp_path), _full_folders(tmp_path)) == ({}, {})
    (tmp_path / "room" / "last.py").write_text("x = 1\n" * (_MOST_LINES + 1))
    assert _long_modules(tmp_path) == {Path("room/last.py"): _MOST_LINES + 1}
    assert _full_folders(tmp_path) == {Path("room"): _MOST_MODULES + 1}
