"""What lies in a store, where others may write too: types that point nowhere else, and objects read as whose they are.

Who may write to a bucket may write anything there. What is read back therefore has to fit its schema, its names have to
be single parts of a key, its paths have to stay below their folder, and it has to be of the folder that it lies in;
what does not is refused as any other malformed object is: by pydantic's ValidationError.
"""

import re
import sys
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, model_validator
from pydantic_core import from_json

from finetune_core.plain import is_printable

_FOLDER = "folder"
_MAX_SEGMENT_BYTES = 255
_LARGEST = sys.float_info.max
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
"""Most segments by far, which need no closer look."""


def read_json(content: bytes | str) -> Any:
    """JSON by a parser with bounded depth; ValueError for anything else, NaN and text that is no Unicode included."""
    return from_json(content, allow_inf_nan=False)


def finite(value: float | None) -> float | None:
    """The value, or None where it is NaN, infinite, or a whole number that no float holds."""
    # False for NaN too.
    return value if value is not None and abs(value) <= _LARGEST else None


def number(value: object) -> float | None:
    """The value, if it is a number that can be computed with (see `finite`)."""
    return finite(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def is_segment(text: str) -> bool:
    """Whether it is one part of a key or path: not empty, no `.` or `..`, no slash, backslash or control character."""
    if _PLAIN.fullmatch(text):
        return True
    return text not in {"", ".", ".."} and not set("/\\") & set(text) and is_printable(text) and _fits(text)


def is_relative(text: str) -> bool:
    """Whether it is a path that stays below its folder: segments joined by `/`."""
    return all(map(is_segment, text.split("/")))


def _fits(text: str) -> bool:
    return len(text.encode(errors="replace")) <= _MAX_SEGMENT_BYTES


def _segment(text: str) -> str:
    if not is_segment(text):
        raise ValueError(f"{text[:100]!r} is no name of a file or folder")
    return text


def _relative(text: str) -> str:
    if not is_relative(text):
        raise ValueError(f"{text[:100]!r} is no path below a folder")
    return text


Segment = Annotated[str, AfterValidator(_segment)]
"""A name that becomes one part of a key (see `is_segment`)."""

RelativePath = Annotated[str, AfterValidator(_relative)]
"""A path below a folder (see `is_relative`)."""

Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.]{0,127}$")]
"""The name of a task, a metric or a hyperparameter: a Segment that no table, page or plot reads as anything else."""

Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A count that every JSON parser reads exactly (https://www.rfc-editor.org/rfc/rfc8259#section-6)."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in hex."""

Seconds = Annotated[float, Field(ge=0, le=1e12)]
"""A duration."""

Joules = Annotated[float, Field(ge=0, le=1e18)]
"""An energy."""


def of_folder(folder: str) -> dict[str, str]:
    """The context for validation that has every `Stored` in an object be of a folder, `<namespace>/<name>`."""
    return {_FOLDER: folder}


class Stored(BaseModel):
    """An object that names the folder it belongs to; ValidationError where that is not the one of `of_folder`."""

    @property
    def folder(self) -> str:
        """`<namespace>/<name>`."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _of_its_folder(self, info: ValidationInfo) -> Self:
        asked = (info.context or {}).get(_FOLDER)
        if asked is not None and self.folder != asked:
            raise ValueError(f"it says that it is of {self.folder[:200]!r}, and lies in {asked}")
        return self
