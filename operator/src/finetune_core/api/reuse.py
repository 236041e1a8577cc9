"""Whether runs that others have finished count."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field


class Reuse(StrEnum):
    """Whose finished runs count."""

    NAMESPACE = "Namespace"
    EXPERIMENT = "Experiment"


ReuseChoice = Annotated[
    Reuse,
    Field(
        description="Namespace: a run that another experiment of the namespace has finished in the same store, with "
        "the same trainer image, is copied from there and not trained; results say where it came from. Experiment: "
        "nothing is taken from others, or given to them. For runs of a search's trials alike."
    ),
]
