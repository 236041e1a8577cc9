"""Which key is worked on next, fair between groups (namespaces). Pure: the time is given, nothing waits.

A group may take another worker as long as it holds fewer than are free. One group alone gets half of the workers, two
get a third each, and so on: whoever comes next finds a free one, however many keys the others have and however long
these take. Groups take turns; within a group the key goes first that is due the longest.

The rule is that of buffers shared by queues: Choudhury, Hahne: Dynamic queue length thresholds for shared-memory packet
switches, IEEE/ACM Transactions on Networking 6(2), 1998 (with alpha = 1).
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass
class _Group(Generic[Key]):
    """Keys that wait, by when they are due; `held` workers are busy with others."""

    due: dict[Key, float] = field(default_factory=dict)
    held: int = 0
    _heap: list[tuple[float, int, Key]] = field(default_factory=list)
    _pushed: int = 0

    def add(self, key: Key, due: float) -> None:
        if due >= self.due.get(key, float("inf")):
            return
        self.due[key] = due
        # The count stands before the key, which need not have an order.
        self._pushed += 1
        heapq.heappush(self._heap, (due, self._pushed, key))

    def clear(self) -> None:
        self.due.clear()
        self._heap.clear()

    def first_due(self) -> float | None:
        while self._heap and self.due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # it has been moved forward, or taken
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Key:
        _, _, key = heapq.heappop(self._heap)
        del self.due[key]
        self.held += 1
        return key


class Schedule(Generic[Key]):
    """Keys by when they are due, for so many workers; `group` tells whose a key is. Times are in seconds."""

    def __init__(self, workers: int, group: Callable[[Key], Hashable]) -> None:
        self._free = workers
        self._group = group
        # The group whose turn is the longest ago comes first.
        self._groups: OrderedDict[Hashable, _Group[Key]] = OrderedDict()
        self._again: dict[Key, float] = {}
        self._busy: set[Key] = set()

    def __len__(self) -> int:
        """Keys that wait or are worked on."""
        return len(self._busy) + sum(len(group.due) for group in self._groups.values())

    @property
    def busy(self) -> int:
        """How many keys are worked on."""
        return len(self._busy)

    def add(self, key: Key, due: float) -> None:
        """Have `key` worked on at `due` or, where it waits already, at the earlier time; if it is busy, afterwards."""
        if key in self._busy:
            self._again[key] = min(due, self._again.get(key, due))
        else:
            self._groups.setdefault(self._group(key), _Group()).add(key, due)

    def take(self, now: float) -> Key | None:
        """The next key that is due and whose group may take a worker; the caller owes a `done`."""
        for name, group, due in self._eligible():
            if due <= now:
                self._groups.move_to_end(name)
                key = group.pop()
                self._busy.add(key)
                self._free -= 1
                return key
        return None

    def done(self, key: Key) -> None:
        """The work on `key` has ended."""
        self._busy.discard(key)
        self._free += 1
        name = self._group(key)
        group = self._groups[name]
        group.held -= 1
        if key in self._again:
            group.add(key, self._again.pop(key))
        if not group.held and not group.due:
            del self._groups[name]

    def spread(self, now: float, step: float) -> None:
        """Have overdue keys come one each `step`, the latest news first: and what is new from now on before them.

        For when nothing was taken for a while: most of what waits then was only listed long ago.
        """
        for group in self._groups.values():
            news_first = sorted(group.due.items(), key=lambda item: item[1], reverse=True)
            group.clear()
            overdue = 0
            for key, due in news_first:
                group.add(key, due if due > now else now + overdue * step)
                overdue += due <= now

    def next_due(self) -> float | None:
        """When `take` has a key, unless something changes before; None where only a `done` or an `add` helps."""
        return min((due for _, _, due in self._eligible()), default=None)

    def overdue(self, now: float) -> float:
        """Seconds that the most overdue key waits beyond its time; 0 if none is overdue."""
        dues = (group.first_due() for group in self._groups.values())
        return max((now - due for due in dues if due is not None and due < now), default=0.0)

    def _eligible(self) -> Iterator[tuple[Hashable, _Group[Key], float]]:
        for name, group in self._groups.items():
            due = group.first_due()
            if due is not None and group.held < self._free:
                yield name, group, due
