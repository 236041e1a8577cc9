"""Which faults a round gets: each is dealt until it has hit something. Pure."""

from collections.abc import Iterator
from itertools import islice

from chaos.faults import Fault, Phase


class Deck:
    """Deals faults in their order; one that found nothing to hit comes again in the next round, before new ones."""

    def __init__(self, faults: Iterator[Fault]) -> None:
        self._faults = faults
        self._left: list[Fault] = []

    def hand(self, most: int) -> list[Fault]:
        """Those of a round, which has its report last: waiting for it before the work would wait twice."""
        self._left += islice(self._faults, max(0, most - len(self._left)))
        return sorted(self._left[:most], key=lambda fault: fault.phase is Phase.REPORTING)

    def hit(self, fault: Fault) -> None:
        """It is done."""
        self._left.remove(fault)
