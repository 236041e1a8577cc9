"""Where a spec names no storage, viewers send their keys to what the status names: never to what a spec once named."""

import pytest

from support.hostile_place import BASES, KINDS, Place


@pytest.mark.parametrize("kind", KINDS)
def test_a_storage_that_an_older_spec_named_does_not_stay_in_the_status(place: Place, kind: str) -> None:
    place.put(kind, BASES[kind])
    place.look(kind)
    assert place.held(KINDS[kind])["status"]["storage"]["bucket"] == BASES[kind]["storage"]["bucket"]

    # Together with a mistake, so that the operator comes no further than this.
    place.edit(kind, {**{key: value for key, value in BASES[kind].items() if key != "storage"}, "tasks": []})
    place.look(kind)
    status = place.held(KINDS[kind])["status"]
    assert status["observedGeneration"] == 2
    assert "storage" not in status
