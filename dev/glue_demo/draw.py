"""Seeded choices, stable over Python versions: only `Random.random()` is promised to be."""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of choices that depends on the given key alone."""

    def __init__(self, *key: object) -> None:
        self._random = random.Random("/".join(map(str, key))).random

    def one(self, options: Sequence[T]) -> T:
        """Any of the options."""
        return options[int(self._random() * len(options))]

    def other(self, options: Sequence[T], than: T) -> T:
        """Any of the options except `than`; there must be a different one."""
        while (found := self.one(options)) == than:
            pass
        return found

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random() < probability

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a random order."""
        return sorted(items, key=lambda _: self._random())

    def strata(self, count: int) -> Iterator[int]:
        """0..count-1 for ever, each equally often in every `2 * count` in a row: small sets are balanced too."""
        while True:
            yield from self.shuffled([*range(count)] * 2)
