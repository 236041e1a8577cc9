"""Before all has ended for good, all results are read again: nobody looks at them after that."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from finetune_operator.kinds.reports import look_again_at_the_end
from finetune_operator.memory import Memory
from finetune_store._errors import DeadlineError


class Looks:
    """Each look takes the next of these: True where all has ended, False where not, None where its deadline is over."""

    def __init__(self, *ends: bool | None) -> None:
        self.left = list(ends)

    def __call__(self) -> Any:
        done = self.left.pop(0)
        if done is None:
            raise DeadlineError("too long")
        return "seen", SimpleNamespace(done=done)


def taken(memory: Memory, looks: Looks) -> bool:
    _, decision = look_again_at_the_end(memory, cast(Any, looks))
    return decision.done


@pytest.fixture
def memory() -> Memory:
    return Memory(scanned="plan")


def test_what_goes_on_is_looked_at_once(memory: Memory) -> None:
    assert not taken(memory, Looks(False))
    assert memory.scanned == "plan"


def test_the_end_is_looked_at_twice_and_the_second_look_decides(memory: Memory) -> None:
    looks = Looks(True, False)
    assert not taken(memory, looks)
    assert memory.scanned is None
    assert looks.left == []


def test_a_reading_that_takes_several_looks_comes_to_its_end(memory: Memory) -> None:
    looks = Looks(True, None, None, True)
    for _ in range(2):
        with pytest.raises(DeadlineError):
            taken(memory, looks)
    assert taken(memory, looks)
    assert looks.left == []


def test_a_look_whose_status_was_lost_says_nothing_of_the_next_one(memory: Memory) -> None:
    looks = Looks(True, True, True, False)
    assert taken(memory, looks)
    assert not taken(memory, looks)
