"""What the command line and the page read of hostile objects, by the rights of whoever looks.

On the fake API server that records: the objects are what an older CRD may have let in, or what anybody may write into
labels and annotations.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from finetune_cli.commands.objects import pod_logs
from finetune_client.errors import ClientError, UsageError
from finetune_client.finding import checked_namespace, find, split_name
from finetune_client.kube.client import Kube
from finetune_client.stores import open_for
from finetune_core.api import HyperparametersFrom
from finetune_core.names import is_name
from finetune_core.problems import FinetuneError
from finetune_kube import names
from finetune_kube.kinds import JOB
from finetune_store import StoreError
from finetune_ui.kinds import KINDS as WORDS
from finetune_ui.sources import ClusterSource
from finetune_work.tuned import TunedReader
from support.hostile import HOSTILE
from support.hostile_place import BASES, KINDS, Place, collection
from support.hostile_specs import spec_schema, texts, with_text

WORD_OF = {kind.kind: word for word, kind in WORDS.items()}
IN_STORAGE = [(kind, path) for kind in KINDS for path in texts(spec_schema(kind)) if path[0] == "storage"]


def unchecked(source: str, **reference: str) -> HyperparametersFrom:
    """A reference as no parser lets it pass."""
    made = HyperparametersFrom.model_validate({source: dict.fromkeys(reference, "good")})
    field = {"hpSearchRef": "hp_search_ref", "configMapRef": "config_map_ref"}[source]
    return made.model_copy(update={field: getattr(made, field).model_copy(update=reference)})


@pytest.mark.parametrize(("kind", "path"), IN_STORAGE, ids=[f"{kind}-{'.'.join(path)}" for kind, path in IN_STORAGE])
def test_the_store_of_an_object_is_looked_for_in_its_namespace_alone(
    place: Place, kind: str, path: tuple[str, ...]
) -> None:
    kube = Kube(place.client, "team")
    for text in HOSTILE:
        item = place.put(kind, with_text(kind, BASES[kind], path, text))
        # Whether the text can be used or not, it leads nowhere else.
        with suppress(ClientError, FinetuneError, StoreError):
            open_for(kube, item, environ={})
        with suppress(ClientError, FinetuneError, StoreError):
            ClusterSource(kube, environ={}).find(WORD_OF[kind], "team", "one").open()
    assert place.api.foreign() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [text for text in HOSTILE if text != ""])
def test_the_page_asks_for_nothing_by_what_is_no_name(place: Place, kind: str, text: str) -> None:
    source = ClusterSource(Kube(place.client, "team"), environ={})
    asks: tuple[Callable[[], Any], ...] = (
        lambda: source.find(WORD_OF[kind], text, "one"),
        lambda: source.find(WORD_OF[kind], "team", text),
        lambda: source.heads(text),
    )
    for ask in asks:
        with pytest.raises(UsageError, match="is no name"):
            ask()
    assert place.api.requests == []


@pytest.mark.parametrize("text", HOSTILE)
def test_names_at_the_terminal_are_names(place: Place, text: str) -> None:
    kube = Kube(place.client, "team")
    for asked in (text, f"fte/{text}", f"hps/{text}"):
        with pytest.raises(UsageError):
            find(kube, asked)
    with pytest.raises(UsageError):
        checked_namespace(text)
    assert place.api.requests == []


def test_a_slash_says_the_kind() -> None:
    with pytest.raises(UsageError):
        split_name("fte/a/b")
    assert split_name("fte/a.b-1")[1] == "a.b-1"
    assert is_name("a.b-1")


@pytest.mark.parametrize("text", HOSTILE)
def test_tuned_values_are_of_the_namespace(place: Place, text: str) -> None:
    kube = Kube(place.client, "team")

    def no_folder(_: str) -> Any:
        raise AssertionError("no folder is asked for")

    for source in (unchecked("hpSearchRef", name=text), unchecked("configMapRef", name=text, key="plan.json")):
        with pytest.raises(UsageError, match="is no name"):
            TunedReader(lambda: kube, no_folder).read(source)
    assert place.api.requests == []


@pytest.mark.parametrize("text", HOSTILE)
def test_logs_of_a_task_read_no_plan_but_the_jobs_own(place: Place, text: str) -> None:
    place.put("FinetuneExperiment", BASES["FinetuneExperiment"])
    place.look("FinetuneExperiment", 2)
    (job,) = [item for path, item in place.api.objects.items() if path.startswith(collection(JOB))]
    kube, uid = Kube(place.client, "team"), place.held(KINDS["FinetuneExperiment"])["metadata"]["uid"]
    assert pod_logs._indexes(kube, uid, job, "mine", None) == [0, 1, 2, 3, 4]
    before = len(place.api.requests)
    job["metadata"]["annotations"][names.PLAN_ANNOTATION] = text
    assert pod_logs._indexes(kube, uid, job, "mine", None) == []
    assert len(place.api.requests) == before
