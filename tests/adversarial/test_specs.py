"""Every text of both kinds of objects, as hostile as it can be: a condition names the field, or it works.

The API server here is a fake that records (support/recording_api.py) and knows no CRD: the objects are what an older
CRD may have let in. The store is a folder.
"""

import time

import pytest

from finetune_kube.kinds import JOB
from finetune_kube.paths import api_path
from support.hostile import HOSTILE, TRAVERSAL
from support.hostile_place import BASES, KINDS, Place, collection
from support.hostile_specs import ITEM, KEY, VALUE, spec_schema, texts, with_text

PLACES = [(kind, path) for kind in KINDS for path in texts(spec_schema(kind))]
URIS = (f"pvc://{TRAVERSAL}", "pvc://..", "s3://../x", f"hf://{TRAVERSAL}", "hf://a/b@../..", "s3://inputs/../../x")


@pytest.mark.parametrize("kind", KINDS)
def test_the_specs_of_these_tests_work_as_they_are(place: Place, kind: str) -> None:
    place.put(kind, BASES[kind])
    place.look(kind, 2)
    assert place.valid(kind)["status"] == "True"
    assert any(path.startswith(collection(JOB)) for path in place.api.objects)
    assert place.api.foreign() == []


@pytest.mark.parametrize(("kind", "path"), PLACES, ids=[f"{kind}-{'.'.join(path)}" for kind, path in PLACES])
def test_whatever_a_text_holds_it_works_or_its_field_is_named(place: Place, kind: str, path: tuple[str, ...]) -> None:
    # A value of a space is told by its argument.
    field = "space" if "space" in path else next(step for step in reversed(path) if step not in {ITEM, KEY, VALUE})
    for text in (*HOSTILE, *(URIS if field == "uri" else ())):
        place.api.objects.pop(api_path(KINDS[kind], "team", "one"), None)
        place.put(kind, with_text(kind, BASES[kind], path, text))
        started = time.monotonic()
        place.look(kind, 2)
        assert time.monotonic() - started < 30
        condition = place.valid(kind)
        assert condition["status"] != "False" or field in condition["message"], (text[:60], condition)
    assert place.api.foreign() == []
