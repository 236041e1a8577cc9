"""What tests of notifications share."""

from collections.abc import Iterator

import pytest

from support.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiving() as made:
        yield made
