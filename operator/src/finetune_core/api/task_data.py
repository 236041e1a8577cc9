"""Where the data of a task lie, and which columns and labels of them it takes.

What was not there from the beginning is written only where it is set: an older spec stays what its inputs were pinned
for.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, Uri, rules
from finetune_core.frozen import absent
from finetune_core.tasks.registry import Quoting

FileName = Annotated[
    str,
    Field(min_length=1, max_length=512, pattern=r"(\.((csv|tsv|jsonl?)(\.gz)?|parquet)|^[A-Za-z0-9_]+)$"),
]
Column = Annotated[str, Field(min_length=1, max_length=128)]


class TaskData(ApiModel):
    """A GLUE task needs at most `uri`; a custom task names its files and columns."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.config) || !has(self.uri) || self.uri.startsWith('hf://')",
                "only data sets on the hub (uri: hf://...) have configurations: remove config",
            )
        )
    )

    uri: Annotated[
        Uri | None,
        Field(
            description="Folder of this task's files, in place of spec.data.uri; or a data set on the hub, "
            "hf://org/name[@revision]."
        ),
    ] = None
    config: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            exclude_if=absent,
            description="Configuration (subset) of a data set on the hub that splits are taken from. Default: its only "
            "one, or its default one.",
        ),
    ] = None
    train: Annotated[
        FileName | None,
        Field(
            description="Training file below uri: .csv or .tsv (with a header), .jsonl or .json (one object a line), "
            "each of them with .gz where it is packed, or .parquet. Of a data set on the hub (hf://) also the name of "
            "a split: train."
        ),
    ] = None
    validation: Annotated[
        FileName | None, Field(description="Dev file below uri, or a split; decides the best run.")
    ] = None
    test: Annotated[FileName | None, Field(description="Test file below uri, or a split; predicted, never scored.")] = (
        None
    )
    text_columns: Annotated[
        tuple[Column, ...] | None,
        Field(min_length=1, max_length=2, description="One column, or two for pairs of texts."),
    ] = None
    label_column: Annotated[
        Column | None,
        Field(
            description="Column of the label. Default: label. With problemType MultiLabelClassification it holds lists "
            "of labels (.jsonl, .parquet), or one text with labelDelimiter between them."
        ),
    ] = None
    label_columns: Annotated[
        tuple[Column, ...] | None,
        Field(
            min_length=2,
            max_length=1000,
            exclude_if=absent,
            description="Of MultiLabelClassification, in place of labelColumn: a column of 0 and 1 for each label, in "
            "the order of labels. labels may then be left out: they are the columns' names.",
        ),
    ] = None
    label_delimiter: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=4,
            exclude_if=absent,
            description="Of MultiLabelClassification: what stands between the labels in labelColumn, e.g. a comma or "
            "a blank. An empty text has none of the labels.",
        ),
    ] = None
    group_column: Annotated[
        Column | None,
        Field(
            exclude_if=absent,
            description="With folds: rows that have the same value in this column (a document, a speaker) are in the "
            "same fold. Default: each row by itself.",
        ),
    ] = None
    quoting: Annotated[
        Quoting | None,
        Field(
            exclude_if=absent,
            description="What quotes are in .csv and .tsv files. Minimal: they go around fields, doubled inside. "
            "None: they are parts of the texts. Default: Auto, which is Minimal, or None for a .tsv file whose quotes "
            "do not fit; a .tsv file that could be either is refused.",
        ),
    ] = None
