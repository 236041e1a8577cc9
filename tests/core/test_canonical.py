import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.canonical import canonical_json, short_hash

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reordered(value: object) -> object:
    """The same value with every dictionary's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(one) for one in value] if isinstance(value, list) else value


@given(json_values)
def test_key_order_does_not_matter_and_nothing_is_lost(value) -> None:
    assert canonical_json(reordered(value)) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value


@given(json_values, json_values)
def test_different_values_have_different_bytes(one, other) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def test_the_bytes_are_pinned() -> None:
    """Ids that lie in people's stores depend on them."""
    value = {"b": [1, 2.5, 5e-05, True, None], "a": "Ä\n"}
    assert canonical_json(value) == '{"a":"Ä\\n","b":[1,2.5,5e-05,true,null]}'.encode()
    assert short_hash(value) == "c08d8d0a8c79e882"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"value": value})


def test_hash_does_not_depend_on_the_process() -> None:
    code = "from finetune_core.canonical import short_hash; print(short_hash({'task': 'cola', 'tags': ['a', 'b']}))"
    seeds = ("0", "1")
    found = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in seeds
    ]
    assert found == [short_hash({"tags": ["a", "b"], "task": "cola"})] * 2


@pytest.mark.parametrize("length", [8, 16, 64])
def test_hash_has_the_length_asked_for(length: int) -> None:
    assert len(short_hash("x", length)) == length
    assert short_hash("x", 64).startswith(short_hash("x", length))
