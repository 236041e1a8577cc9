"""What a page of the server shows, read from a source: the template's values. All may take seconds, and raise
FinetuneError and StoreError.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from finetune_client.errors import NotFoundError, UsageError
from finetune_core.problems import FinetuneError
from finetune_core.tables import figures
from finetune_store import StoreError
from finetune_store.documents import FILE_LIMIT
from finetune_ui import listing
from finetune_ui.comparison import MOST, Side, comparison_page
from finetune_ui.content import Content, read_content, read_files, read_run, read_side
from finetune_ui.drawing.choice import Choice
from finetune_ui.kinds import KINDS, RunPlace
from finetune_ui.sources import Found, Source

_FIRST = ("report.html", "results.csv", "results.md", "results.json", "runs.csv", "submission.zip", "submission.json",
          "summary.html", "summary.csv", "summary.json", "trials.csv")  # fmt: skip
"""Files that most people come for."""

_RUN_MOODS = {"Succeeded": "good", "Failed": "bad", "Running": "busy", "Pending": "idle"}

Values = dict[str, Any]


def listed(source: Source, query: Mapping[str, str]) -> Values:
    """Experiments and searches, as the address asks for them."""
    asked = listing.Asked.of(query)
    heads = source.heads(asked.namespace or None)
    now = datetime.now(UTC)
    return {
        "asked": asked,
        "columns": listing.COLUMNS,
        "heads": heads,
        "ages": {(head.kind, head.namespace, head.name): figures.age(head.created, now) for head in heads},
        "groups": listing.arranged(heads, asked),
        "offered": listing.groups(heads),
        "states": listing.states(heads),
    }


def of_object(source: Source, word: str, namespace: str, name: str, query: Mapping[str, str]) -> Values:
    """An experiment or a search; where its store cannot be read, the head alone and why. NotFoundError."""
    found, content, problem = _look(source, word, namespace, name, Choice.of(query))
    head = found.head or (content.head if content else None)
    if head is None:
        raise problem or NotFoundError(f"there is no {KINDS[word].kind} {namespace}/{name}")
    return {
        "head": head,
        "age": figures.age(head.created, datetime.now(UTC)),
        "page": content.page if content else None,
        "problem": str(problem) if problem else "",
        "files": sorted(content.files) if content else [],
        "first": _FIRST,
        "moods": _RUN_MOODS,
    }


def _look(
    source: Source, word: str, namespace: str, name: str, choice: Choice
) -> tuple[Found, Content | None, Exception | None]:
    found = source.find(word, namespace, name)
    try:
        now, failed = datetime.now(UTC), _failed(found)
        return found, read_content(found.open(), word, namespace, name, now, failed, choice), None
    except (FinetuneError, StoreError) as error:
        return found, None, error


def _failed(found: Found) -> frozenset[str] | None:
    return found.head.failed_runs if found.head else None


def of_run(source: Source, place: RunPlace, query: Mapping[str, str]) -> Values:
    """One run of an experiment; NotFoundError."""
    found = source.find("experiments", place.namespace, place.name)
    page = read_run(found.open(), place, datetime.now(UTC), _failed(found), Choice.of(query))
    return {"place": place, "page": page, "moods": _RUN_MOODS, "in_cluster": found.head is not None}


def compared(source: Source, texts: Sequence[str], query: Mapping[str, str]) -> Values:
    """Experiments and runs side by side; UsageError for too few or too many, NotFoundError."""
    places = [RunPlace.of(text) for text in dict.fromkeys(texts)]
    if not 2 <= len(places) <= MOST:
        raise UsageError(
            f"{len(places)} of them cannot be compared", f"Choose from 2 to {MOST} experiments or runs, each once."
        )
    page = comparison_page([_side(source, place) for place in places], Choice.of(query))
    return {"page": page, "places_asked": places}


def _side(source: Source, place: RunPlace) -> Side:
    found = source.find("experiments", place.namespace, place.name)
    return read_side(found.open(), place, _failed(found))


def download(source: Source, word: str, namespace: str, name: str, file: str) -> bytes:
    """Only what the report names: a store holds weights and others' objects too."""
    store = source.find(word, namespace, name).open().store
    root, named = read_files(store, word, namespace, name)
    if file not in named:
        raise NotFoundError(f"{namespace}/{name} has no file {file}", "Its page lists the files that it has.")
    return store.get(f"{root}/{file}", limit=FILE_LIMIT)
