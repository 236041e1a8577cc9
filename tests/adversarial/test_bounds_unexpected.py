"""An error that nobody foresaw shows in the object's own status, at the first look, and tells no secrets."""

from typing import Any

import pytest

from support.hostile_place import BASES, KINDS, Place


class OddError(Exception):
    """What a library might raise."""


@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_in_a_condition_and_is_tried_again(place: Place, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.put(kind, BASES[kind])
    reconciler = place.reconcilers[kind]

    def fail(*_: Any, **__: Any) -> None:
        raise OddError("the key is hunter2")

    with monkeypatch.context() as patched:
        patched.setattr(reconciler, "_advance", fail)
        for _ in range(2):
            with pytest.raises(OddError):
                reconciler.reconcile("team", "one")
    status = place.held(KINDS[kind])["status"]
    conditions = {one["type"]: one for one in status["conditions"]}
    assert conditions["Succeeded"]["reason"] == "InternalError"
    assert conditions["Succeeded"]["message"] == (
        "The operator met an error that it does not know (OddError; its log says more), and tries again by itself."
    )
    assert "hunter2" not in str(status)

    reconciler.reconcile("team", "one")
    again = {one["type"]: one["reason"] for one in place.held(KINDS[kind])["status"]["conditions"]}
    assert again["Succeeded"] != "InternalError"
