"""What `finetune mcp` says of reasons: the words of the documentation."""

import pytest

from finetune_cli.assistant.answers import Explanations
from finetune_cli.assistant.reasons import explain
from finetune_core.api.status import Reason
from finetune_core.results.run import FailureReason
from finetune_dev.paths import REPOSITORY

# All is well, or what follows says the same.
SILENT = {Reason.ACCEPTED, Reason.COMPLETE, Reason.EXPORTED, Reason.WAITING_FOR_TRIALS}


@pytest.mark.parametrize("reason", sorted({*Reason, *FailureReason} - SILENT))
def test_every_reason_is_explained(reason: str) -> None:
    rows = explain(reason).rows
    assert rows
    assert all(row.cause and row.where for row in rows)


def test_a_reason_that_is_not_there_has_near_ones() -> None:
    assert explain("OutOfMemroy") == Explanations(rows=(), near=("OutOfMemory",))


def test_the_words_are_those_of_the_documentation() -> None:
    copy = REPOSITORY / "operator/src/finetune_cli/assistant/troubleshooting.md"
    page = REPOSITORY / "docs/troubleshooting.md"
    assert copy.read_text() == page.read_text(), f"cp {page} {copy}"
