"""The work queue's semantics; order is made by events, never by sleeping."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from finetune_operator.queue import WorkQueue

SECONDS = 10
LONG = 3600.0


class Work:
    """Work that tells when it begins and goes on when it is let."""

    def __init__(self, *, held: bool = False, answers: dict[str, float] | None = None) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.go_on = asyncio.Event()
        self.answers = answers or {}
        self.fails = 0
        self.most_at_once = 0
        self._now: list[str] = []
        if not held:
            self.go_on.set()

    async def __call__(self, key: str) -> float | None:
        self._now.append(key)
        self.most_at_once = max(self.most_at_once, self._now.count(key))
        await self.begun.put(key)
        await asyncio.sleep(0)  # real work is done in a thread: the loop goes on meanwhile
        await self.go_on.wait()
        self._now.remove(key)
        await self.ended.put(key)
        if self.fails:
            self.fails -= 1
            raise RuntimeError("on purpose")
        return self.answers.get(key)


@asynccontextmanager
async def running(work: Work, *, workers: int = 2) -> AsyncIterator[tuple[WorkQueue[str], list[str]]]:
    errors: list[str] = []
    queue = WorkQueue(
        work, workers=workers, group=lambda key: key[0], on_error=lambda key, error: errors.append(f"{key}: {error}")
    )
    task = asyncio.create_task(queue.run())
    try:
        yield queue, errors
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(SECONDS):
            await test()

    asyncio.run(bounded())


async def idle(queue: WorkQueue[str]) -> None:
    """Wait until nothing waits and nothing is worked on."""
    while len(queue):  # noqa: ASYNC110 - the queue has no event for it, and needs none
        await asyncio.sleep(0)


def test_an_added_key_is_worked_on_once() -> None:
    async def test() -> None:
        work = Work()
        async with running(work) as (queue, _):
            await queue.add("a")
            assert await work.ended.get() == "a"
            await idle(queue)
            assert work.begun.qsize() == 1

    run(test)


def test_a_key_that_waits_is_one_item_however_often_it_is_added() -> None:
    async def test() -> None:
        work = Work(held=True)
        async with running(work, workers=1) as (queue, _):
            await queue.add("first")
            await work.begun.get()
            for _ in range(5):
                await queue.add("a")
            work.go_on.set()
            await idle(queue)
            assert [work.begun.get_nowait() for _ in range(work.begun.qsize())] == ["a"]

    run(test)


def test_a_key_added_while_it_is_worked_on_is_done_again_afterwards_and_never_twice_at_once() -> None:
    async def test() -> None:
        work = Work(held=True)
        async with running(work, workers=4) as (queue, _):
            await queue.add("a")
            await work.begun.get()
            await queue.add("a")
            await queue.add("b")
            assert await work.begun.get() == "b"
            work.go_on.set()
            assert await work.begun.get() == "a"
            await idle(queue)
            assert work.most_at_once == 1

    run(test)


def test_different_keys_are_worked_on_at_the_same_time_by_as_many_workers_as_there_are() -> None:
    async def test() -> None:
        work = Work(held=True)
        async with running(work, workers=2) as (queue, _):
            for key in "abc":
                await queue.add(key)
            assert {await work.begun.get(), await work.begun.get()} == {"a", "b"}
            assert work.begun.empty()
            work.go_on.set()
            assert await work.begun.get() == "c"

    run(test)


def test_an_event_moves_a_key_that_waits_for_its_timer_forward() -> None:
    async def test() -> None:
        work = Work()
        async with running(work) as (queue, _):
            await queue.add("a", LONG)
            await queue.add("a")
            assert await work.begun.get() == "a"

    run(test)


def test_a_later_time_does_not_push_a_key_back() -> None:
    async def test() -> None:
        work = Work(held=True)
        async with running(work, workers=1) as (queue, _):
            await queue.add("first")
            await work.begun.get()
            await queue.add("a")
            await queue.add("a", LONG)
            work.go_on.set()
            assert await work.begun.get() == "a"

    run(test)


def test_work_that_asks_for_another_look_gets_it() -> None:
    async def test() -> None:
        work = Work(answers={"a": 0.0})
        async with running(work) as (queue, _):
            await queue.add("a")
            assert [await work.begun.get() for _ in range(3)] == ["a"] * 3
            work.answers.clear()
            await idle(queue)

    run(test)


def test_work_that_fails_is_told_and_tried_again_and_others_go_on() -> None:
    async def test() -> None:
        work = Work()
        work.fails = 1
        async with running(work, workers=1) as (queue, errors):
            await queue.add("a")
            assert await work.ended.get() == "a"
            await queue.add("b")
            assert await work.ended.get() == "b"
            assert await work.ended.get() == "a"
            await idle(queue)
            assert errors == ["a: on purpose"]

    run(test)


def test_the_most_overdue_wait_is_known_and_work_under_way_is_not_overdue() -> None:
    async def test() -> None:
        work = Work(held=True)
        async with running(work, workers=1) as (queue, _):
            assert queue.oldest_overdue() == 0.0
            await queue.add("a")
            await work.begun.get()
            assert queue.oldest_overdue() == 0.0
            await queue.add("b", -5.0)
            assert queue.oldest_overdue() >= 5.0
            assert len(queue) == 2

    run(test)


def test_a_group_that_holds_its_workers_leaves_others_to_whoever_comes() -> None:
    async def test() -> None:
        work = Work(held=True)
        async with running(work, workers=4) as (queue, _):
            for key in ("a1", "a2", "a3", "a4"):
                await queue.add(key)
            assert {await work.begun.get(), await work.begun.get()} == {"a1", "a2"}
            await queue.add("b1")
            assert await work.begun.get() == "b1"
            work.go_on.set()
            assert {await work.begun.get(), await work.begun.get()} == {"a3", "a4"}

    run(test)


def test_a_closed_queue_takes_up_nothing_and_keeps_all_until_it_is_opened() -> None:
    async def test() -> None:
        work = Work(held=True)
        async with running(work, workers=4) as (queue, _):
            await queue.add("a")
            assert await work.begun.get() == "a"
            await queue.set_open(False)
            await queue.add("b")
            await queue.add("a")
            work.go_on.set()
            await queue.idle()
            assert work.begun.empty()
            assert len(queue) == 2
            await queue.set_open(True)
            assert {await work.begun.get(), await work.begun.get()} == {"a", "b"}

    run(test)
