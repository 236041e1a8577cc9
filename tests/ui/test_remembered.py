"""What the page remembers of stores is bounded in bytes."""

from hypothesis import given
from hypothesis import strategies as st

from finetune_ui.remembered import Remembered


def unread() -> bytes:
    raise AssertionError("read again")


def test_a_content_is_read_once() -> None:
    remembered = Remembered(100)
    assert remembered.get("a", lambda: b"content") == b"content"
    assert remembered.get("a", unread) == b"content"


def test_what_was_not_used_for_longest_makes_room() -> None:
    remembered = Remembered(100)
    for key in range(10):
        remembered.get(key, lambda: b"x" * 10)
    remembered.get(0, unread)
    remembered.get(10, lambda: b"x" * 10)
    remembered.get(0, unread)
    assert remembered.get(1, lambda: b"anew") == b"anew"


def test_a_large_content_is_not_kept_at_the_cost_of_all_others() -> None:
    remembered = Remembered(100)
    remembered.get("small", lambda: b"x")
    remembered.get("large", lambda: b"x" * 50)
    remembered.get("small", unread)
    assert remembered.get("large", lambda: b"again") == b"again"


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60))), st.integers(1, 200))
def test_there_are_never_more_bytes_than_allowed(asked: list[tuple[int, int]], capacity: int) -> None:
    remembered = Remembered(capacity)
    for key, size in asked:
        remembered.get(key, lambda size=size: b"x" * size)
        assert sum(map(len, remembered._kept.values())) == remembered._size <= capacity
