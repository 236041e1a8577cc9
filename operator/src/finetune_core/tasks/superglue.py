"""Which tasks of SuperGLUE are built in, and why the others are not."""

from types import MappingProxyType
from typing import Final

SUPERGLUE_TASKS: Final = ("boolq", "cb")

_ITS_OWN = "it could be declared as a task of one's own with other inputs, whose scores are not those of SuperGLUE"

NOT_BUILT_IN = MappingProxyType(
    {
        "copa": "a choice between two answers is one example of two texts, which models with a class for each text are "
        "not: as pairs with classes the two could both be right",
        "wic": f"its models read the word's own vectors in both sentences; {_ITS_OWN}",
        "wsc": f"its models read the vectors of two marked spans; {_ITS_OWN}",
        "multirc": "its exact match and F1a are over all answers to a question, which are not measured here; "
        "the answers alone can be declared as a task of one's own",
        "record": "it asks for an entity of the passage, which is no class",
    }
)
"""Task -> why."""
