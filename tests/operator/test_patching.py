"""A merge patch makes of one object the other (RFC 7386), and says nothing of what is equal."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from finetune_operator.status.patch import merge_patch

SCALARS = st.one_of(st.integers(-3, 3), st.text(max_size=2), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def applied(patch: Any, target: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = applied(value, result.get(key))
    return result


@given(before=OBJECTS, after=OBJECTS)
def test_applying_the_patch_gives_the_other_object(before: dict, after: dict) -> None:
    assert applied(merge_patch(before, after), before) == after


@given(one=OBJECTS)
def test_equal_objects_need_no_patch(one: dict) -> None:
    assert merge_patch(one, dict(one)) == {}


def test_only_what_differs_is_sent() -> None:
    before = {"runs": {"total": 2, "failed": 0}, "eta": "~2m", "tasks": [1]}
    after = {"runs": {"total": 2, "failed": 1}, "tasks": [1]}
    assert merge_patch(before, after) == {"runs": {"failed": 1}, "eta": None}
