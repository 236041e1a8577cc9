"""Which faults a round gets: each is dealt until it has hit something. Pure."""

from collections.abc import Iterator
from itertools import islice

from chaos.faults import Fault, Phase, aimed_again


class Deck:
    """Deals faults in their order. One that found nothing to hit comes again in a later round, one a round, aimed anew.

    So a fault that keeps missing takes no round from the others.
    """

    def __init__(self, faults: Iterator[Fault]) -> None:
        self._faults = faults
        self._left: list[Fault] = []
        self._missed: list[Fault] = []

    def hand(self, most: int) -> list[Fault]:
        """Those of a round, which has its report last: waiting for it before the work would wait twice."""
        again = self._missed[:1]
        fresh = most - len(again)
        self._left += islice(self._faults, max(0, fresh - len(self._left)))
        return sorted([*self._left[:fresh], *again], key=lambda fault: fault.phase is Phase.REPORTING)

    def hit(self, fault: Fault) -> None:
        """It is done."""
        (self._left if fault in self._left else self._missed).remove(fault)

    def missed(self, fault: Fault) -> None:
        """It found nothing to hit."""
        self.hit(fault)
        self._missed.append(aimed_again(fault))
