"""Models of an experiment to their places: packed, pushed, and a manifest written that serves each."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune_client.errors import RefusedError, UsageError
from finetune_client.reports import layout_of
from finetune_client.stores import Results
from finetune_core.names import name_from
from finetune_core.publishing.facts import Facts
from finetune_core.publishing.serving import cannot_serve, inference_service
from finetune_core.results.search.hyperparameter_files import to_yaml
from finetune_publish.packing import Chosen, pack
from finetune_publish.places import Options, Place, Pushed, named, open_place
from finetune_publish.signing import Signs


@dataclass(frozen=True)
class Order:
    """How models are published; `{task}` and `{run}` in `to` are filled in, `manifests` is a folder."""

    to: str
    licence: str
    predictions: bool
    signs: Signs | None
    manifests: Path
    options: Options


@dataclass(frozen=True)
class Published:
    """A model that left: where it lies, and its manifest, or why it has none."""

    facts: Facts
    pushed: Pushed
    manifest: Path | None
    unserved: str | None


def publish(results: Results, chosen: Sequence[Chosen], order: Order) -> Iterator[Published]:
    """Publish one after another, once all places were found to be writable; ClientError, StoreError."""
    uris = _uris(chosen, order.to)
    for uri in uris:
        require_apart(results, uri)
    places = [open_place(uri, order.options) for uri in uris]
    for place in places:
        place.require_writable()
    for one, place in zip(chosen, places, strict=True):
        facts, pushed = push(
            results, one, place, licence=order.licence, predictions=order.predictions, signs=order.signs
        )
        why = unserved(facts, pushed)
        yield Published(facts, pushed, None if why else _write_manifest(facts, pushed, order.manifests), why)


def unserved(facts: Facts, pushed: Pushed) -> str | None:
    """Why KServe cannot serve what was published; None where it can."""
    return cannot_serve(facts) if pushed.storage_uri else "KServe reads no models from there"


def require_apart(results: Results, uri: str) -> None:
    """RefusedError for a folder in or above the experiment's own, where one would replace the other."""
    own, there = results.store.uri(layout_of(results).root), uri.rstrip("/")
    if f"{there}/".startswith(f"{own}/") or own.startswith(f"{there}/"):
        raise RefusedError(f"{uri} lies in, or above, the experiment's own folder {own}", "Name another folder.")


def _uris(chosen: Sequence[Chosen], to: str) -> list[str]:
    """A place for each; UsageError where one would overwrite another."""
    uris = [named(to, task=one.run.task, run=one.run.run_id) for one in chosen]
    if len(set(uris)) < len(uris):
        raise UsageError(
            f"{len(uris)} models would be published to {to}",
            "Put {task} or {run} into the name, or say which: --task, --run.",
        )
    return uris


def push(
    results: Results, chosen: Chosen, place: Place, *, licence: str, predictions: bool, signs: Signs | None
) -> tuple[Facts, Pushed]:
    """Pack a model, and have a place hold it. ClientError, StoreError."""
    with tempfile.TemporaryDirectory(prefix="finetune-publish-") as scratch:
        folder = Path(scratch, "model")
        folder.mkdir()
        load_from = place.load_from
        facts = pack(
            results, chosen, folder, licence=licence, load_from=load_from, predictions=predictions, signs=signs
        )
        return facts, place.push(folder, facts)


def serving_name(facts: Facts) -> str:
    """Name of the file of a model's InferenceService."""
    name = name_from(f"{facts.plan.experiment}-{facts.run.task}-{facts.run.run}", 200)
    return f"{name}.inferenceservice.yaml"


def _write_manifest(facts: Facts, pushed: Pushed, folder: Path) -> Path:
    path = folder / serving_name(facts)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(to_yaml(inference_service(facts, pushed.storage_uri or "")), encoding="utf-8")
    return path
