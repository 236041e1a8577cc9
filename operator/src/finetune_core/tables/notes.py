"""Sentences below an experiment's results."""

from collections import Counter
from collections.abc import Iterator

from finetune_core.results.schema import ResultsDocument


def notes(document: ResultsDocument) -> Iterator[str]:
    """What the reader of the figures has to know."""
    loose = [] if document.model_pinned else [f"model {document.model_uri}"]
    loose += [f"data of {task.task} ({task.data_uri})" for task in document.tasks if not task.pinned]
    if loose:
        yield "Not pinned to their content, so they may have changed between runs: " + ", ".join(loose) + "."
    yield from taken_notes(document)


def taken_notes(document: ResultsDocument) -> Iterator[str]:
    """Which runs others have trained, a sentence for each of them."""
    counts = Counter((run.taken_from, run.task) for run in document.runs if run.taken_from)
    for name in sorted({name for name, _ in counts}):
        found = ((task.task, counts[name, task.task]) for task in document.tasks)
        counted = ", ".join(f"{count} of {task}" for task, count in found if count)
        yield f"Not trained here, but taken from {name}, which had the same runs: {counted}."
