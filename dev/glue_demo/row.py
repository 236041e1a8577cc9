"""What a grammar makes: one example of a task."""

from typing import NamedTuple


class Row(NamedTuple):
    """Texts in the order of the task's columns, and the true label.

    `label` is the id in Hugging Face's order, or STS-B's score from 0 to 5 with three decimals. Nothing in a text
    is a tab or a line feed.
    """

    texts: tuple[str, ...]
    label: float
    genre: str = "demo"
