"""Heads of the columns in GLUE's official TSV files (https://gluebenchmark.com/tasks)."""

from types import MappingProxyType

from pydantic import BaseModel, ConfigDict


class OfficialColumns(BaseModel):
    """The texts' columns, as train, dev and test have them, and the label's, which test files lack."""

    model_config = ConfigDict(frozen=True)

    texts: tuple[str, ...]
    label: str


_PAIR = ("sentence1", "sentence2")

OFFICIAL_COLUMNS = MappingProxyType(
    {
        # Its train and dev files have no header: see the reader.
        "cola": OfficialColumns(texts=("sentence",), label="label"),
        "sst2": OfficialColumns(texts=("sentence",), label="label"),
        "mrpc": OfficialColumns(texts=("#1 String", "#2 String"), label="Quality"),
        "stsb": OfficialColumns(texts=_PAIR, label="score"),
        "qqp": OfficialColumns(texts=("question1", "question2"), label="is_duplicate"),
        "mnli": OfficialColumns(texts=_PAIR, label="gold_label"),
        "qnli": OfficialColumns(texts=("question", "sentence"), label="label"),
        "rte": OfficialColumns(texts=_PAIR, label="label"),
        "wnli": OfficialColumns(texts=_PAIR, label="label"),
    }
)
"""By task; AX's file has the columns of MNLI's test files."""
