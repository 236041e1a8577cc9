"""Recorded curves: their file, and the figures that a replay asks for."""

import gzip
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

CURVES: Final = Path(__file__).parent / "curves.jsonl.gz"
_DIGITS = 5


@dataclass(frozen=True)
class Curve:
    """One configuration, trained with one seed.

    `rows` are its evaluations: (step, train loss since the row before, dev loss, dev metric as a share). A diverged one
    has those before that. `seconds` are of a processor.
    """

    setting: str
    index: int
    seed: int
    config: dict[str, Any]
    total_steps: int
    diverged: bool
    seconds: float
    rows: tuple[tuple[int, float | None, float, float], ...]

    @property
    def pool(self) -> str:
        """The task and model: settings of these with several spaces, named `pool/space`, are searched as one."""
        return self.setting.partition("/")[0]

    @property
    def configuration(self) -> tuple[str, int]:
        """What its configuration is known by in the pool."""
        return self.setting, self.index

    @cached_property
    def progress(self) -> tuple[float, ...]:
        """Of each evaluation: the share of the curve's own steps, 0 to 1."""
        return tuple(row[0] / self.total_steps for row in self.rows)

    @cached_property
    def best_losses(self) -> tuple[float, ...]:
        """Of each evaluation: the lowest dev loss so far."""
        return tuple(accumulate((row[2] for row in self.rows), min))

    @cached_property
    def best_values(self) -> tuple[float, ...]:
        """Of each evaluation: the best dev metric so far; more is better in all recorded tasks."""
        return tuple(accumulate((row[3] for row in self.rows), max))

    def to_json(self) -> dict[str, Any]:
        """What a line of the file holds; floats with five digits."""
        rows = [
            [step, *(None if one is None else float(f"{one:.{_DIGITS}g}") for one in rest)] for step, *rest in self.rows
        ]
        return asdict(self) | {"rows": rows}


def read_lines(path: Path) -> list[Curve]:
    """The curves of a file of JSON lines, packed or not; none where there is no file. A torn last line is left out."""
    if not path.exists():
        return []
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [_curve(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def drop_torn_line(path: Path) -> None:
    """Cut off a last line without its end, which a kill has torn: it would spoil the next one."""
    if path.exists():
        data = path.read_bytes()
        os.truncate(path, data.rfind(b"\n") + 1)


def write_lines(path: Path, curves: Iterable[Curve]) -> None:
    """Packed, in an order and with a header that depend on nothing else: the same curves are the same bytes."""
    ordered = sorted(curves, key=lambda curve: (curve.setting, curve.index, curve.seed))
    text = "".join(json.dumps(curve.to_json(), separators=(",", ":")) + "\n" for curve in ordered)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _curve(line: str) -> Curve:
    raw = json.loads(line)
    return Curve(**raw | {"rows": tuple(tuple(row) for row in raw["rows"])})
