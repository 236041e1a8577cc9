"""What the reader of a page chose to see of its curves: part of its address, so that it can be handed on. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finetune_core.stored import finite

MOST_SMOOTHING = 0.99
TRAIN_LOSS, LEARNING_RATE = "train_loss", "learning_rate"
"""Curves that are no metrics of a dev set."""


@dataclass(frozen=True)
class Choice:
    """`metric` to draw, empty for the one that decides; `smoothing`: weight of the past, 0 to MOST_SMOOTHING."""

    metric: str = ""
    smoothing: float = 0.0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Choice":
        """From an address; what is no number smooths nothing."""
        try:
            asked = finite(float(query.get("smoothing") or 0)) or 0.0
        except ValueError:
            asked = 0.0
        return cls(query.get("metric", ""), min(max(asked, 0.0), MOST_SMOOTHING))

    def smooth(self, values: Iterable[float | None]) -> list[float | None]:
        """The values as TensorBoard smooths them: means whose weights fall by `smoothing` with each point back.

        https://github.com/tensorflow/tensorboard/blob/master/tensorboard/components/vz_line_chart2/line-chart.ts
        """
        kept, weight = 0.0, 0.0
        made: list[float | None] = []
        for value in values:
            if value is None:
                made.append(None)
                continue
            kept = self.smoothing * kept + (1 - self.smoothing) * value
            weight = self.smoothing * weight + (1 - self.smoothing)
            made.append(kept / weight)
        return made


def offered(measured: Iterable[Iterable[str]]) -> Sequence[str]:
    """What can be chosen: losses first, then every metric that any run measured, by name."""
    names = {name for one in measured for name in one}
    first = [name for name in ("loss", TRAIN_LOSS) if name in names]
    return [*first, *sorted(names - {*first, LEARNING_RATE}), *({LEARNING_RATE} & names)]
