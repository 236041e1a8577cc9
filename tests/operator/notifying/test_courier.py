"""Letters on their way: beside the looks, once at a time, fair to namespaces, and bounded in number."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps

from finetune_core.api.notifications import Notification
from finetune_core.notifying.bodies import About
from finetune_core.notifying.outbox import Attempt
from finetune_operator.notifying.courier import Courier
from finetune_operator.notifying.sending import Letter
from finetune_operator.problems import NotLeadingError


def about(namespace: str = "team", name: str = "glue") -> About:
    return About("finetune.dev/v1alpha1", "FinetuneExperiment", namespace, name, f"uid-of-{name}")


def letter(ident: str, namespace: str = "team") -> Letter:
    one = Notification.model_validate({"name": "chat", "url": "https://chat.test/"})
    return Letter(ident, about(namespace), one, {"event": "Finished"})


def in_a_loop(scenario: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """A test of what happens in an event loop."""

    @wraps(scenario)
    def test() -> None:
        asyncio.run(scenario())

    return test


class Told:
    """Which objects are to be looked at."""

    def __init__(self) -> None:
        self.about: list[About] = []
        self.something = asyncio.Event()

    async def __call__(self, of: About) -> None:
        self.about.append(of)
        self.something.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.about) < count:
                self.something.clear()
                await self.something.wait()


@asynccontextmanager
async def working(
    send: Callable[[Letter], Attempt], permitted: Callable[[], None] = lambda: None, workers: int = 2
) -> AsyncIterator[tuple[Courier, Told]]:
    told = Told()
    courier = Courier(send, tell=told, permitted=permitted, workers=workers)
    task = courier.start()
    yield courier, told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    courier.stop()


@in_a_loop
async def test_what_was_sent_is_known_until_it_is_written() -> None:
    async with working(lambda one: Attempt("no" if one.id == "b" else None)) as (courier, told):
        assert courier.take([letter("a"), letter("b")])
        await told.wait_for(2)
        assert dict(courier.attempts(about())) == {"a": Attempt(), "b": Attempt("no")}
        assert dict(courier.attempts(about("other"))) == {}
        courier.written(about(), ["a", "b"])
        assert dict(courier.attempts(about())) == {}
        assert set(told.about) == {about()}


@in_a_loop
async def test_what_is_on_its_way_is_not_sent_twice() -> None:
    sent, go = [], threading.Event()

    def send(one: Letter) -> Attempt:
        sent.append(one.id)
        go.wait(10)
        return Attempt()

    async with working(send) as (courier, told):
        for _ in range(3):
            assert courier.take([letter("a")])
            await asyncio.sleep(0)
        go.set()
        await told.wait_for(1)
        # Nor before its status is written.
        assert courier.take([letter("a")])
        courier.take([letter("b")])
        await told.wait_for(2)
        assert sent == ["a", "b"]


@in_a_loop
async def test_slow_receivers_of_a_namespace_keep_no_other_waiting() -> None:
    go = threading.Event()

    def send(one: Letter) -> Attempt:
        if one.about.namespace == "slow":
            go.wait(10)
        return Attempt()

    async with working(send) as (courier, told):
        courier.take([letter(f"slow-{number}", "slow") for number in range(20)])
        courier.take([letter("quick", "quick")])
        await told.wait_for(1)
        assert told.about == [about("quick")]
        go.set()


@in_a_loop
async def test_of_a_namespace_only_so_many_are_taken_at_a_time() -> None:
    go = threading.Event()

    def send(_one: Letter) -> Attempt:
        go.wait(10)
        return Attempt()

    async with working(send) as (courier, _):
        assert courier.take([letter(f"a-{number}") for number in range(100)])
        assert not courier.take([letter("one more")])
        assert courier.take([letter("elsewhere", "other")])
        go.set()


@in_a_loop
async def test_who_does_not_lead_sends_nothing_and_does_not_say_so() -> None:
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def permitted() -> None:
        loop.call_soon_threadsafe(looked.set)
        raise NotLeadingError("another one leads")

    async with working(lambda _: Attempt(), permitted) as (courier, told):
        courier.take([letter("a")])
        async with asyncio.timeout(10):
            await looked.wait()
        assert dict(courier.attempts(about())) == {}
        assert told.about == []


@in_a_loop
async def test_an_error_that_nobody_foresaw_is_an_attempt_and_its_text_is_not_shown() -> None:
    def send(_one: Letter) -> Attempt:
        raise LookupError("https://secret.test/T/B")

    async with working(send) as (courier, told):
        courier.take([letter("a")])
        await told.wait_for(1)
        (attempt,) = courier.attempts(about()).values()
        assert attempt.problem == "the operator met an error that it does not know (LookupError)"


@in_a_loop
async def test_of_an_object_that_is_gone_nothing_is_remembered() -> None:
    async with working(lambda _: Attempt()) as (courier, told):
        courier.take([letter("a")])
        await told.wait_for(1)
        courier.forget("FinetuneExperiment", "team", "glue")
        assert dict(courier.attempts(about())) == {}
