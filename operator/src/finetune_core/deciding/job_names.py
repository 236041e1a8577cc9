"""Names of Jobs, and of other executors' objects."""

import re

from finetune_core.api import MAX_NAME_LENGTH
from finetune_core.canonical import short_hash
from finetune_core.deciding.executor import ExecutorTraits


def job_name(prefix: str, revision: str, round_: int, executor: ExecutorTraits) -> str:
    """Name of a Job (at most 53 characters for a prefix of 40), or of another executor's object, as that has it."""
    ending = f"-{revision[:8]}" + (f"-r{round_}" if round_ else "")
    if executor.max_name is not None:
        prefix = _label(prefix, executor.max_name - len(ending))
    elif "." in prefix:
        # The host names of an Indexed Job's pods are made from it, and are labels.
        prefix = _label(prefix, MAX_NAME_LENGTH)
    return prefix + ending


def _label(text: str, room: int) -> str:
    """A DNS-1035 label; the hash tells apart what was cut or replaced."""
    label = re.sub("[^a-z0-9-]", "-", text)
    label = label if label[0].isalpha() else f"x-{label}"
    if label == text and len(text) <= room:
        return text
    return f"{label[: room - 7].rstrip('-')}-{short_hash(text, 6)}"
