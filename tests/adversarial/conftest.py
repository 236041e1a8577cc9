"""What these tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hostile_place import Place, operating


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The operator over a fake API server that records."""
    with operating(tmp_path) as place:
        yield place
