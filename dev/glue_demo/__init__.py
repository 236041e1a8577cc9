"""Demo data: small, learnable data in GLUE's formats, made of our own sentences; nothing is downloaded.

words -> scenes -> single | similarity | inference      grammars: a stratum in, a Row out
                   -> quirks -> streams                 endless rows, seeded, splits apart
                                -> official | hub       the two layouts, byte for byte the same rows
                                   -> writing, models   what is used from outside
"""

from glue_demo.models import MissingModelError, minilm_path, tiny_bert
from glue_demo.row import Row
from glue_demo.streams import TASKS, Split, rows, splits_of
from glue_demo.writing import TRAIN_ROWS, DemoDataError, write

__all__ = [
    "TASKS",
    "TRAIN_ROWS",
    "DemoDataError",
    "MissingModelError",
    "Row",
    "Split",
    "minilm_path",
    "rows",
    "splits_of",
    "tiny_bert",
    "write",
]
