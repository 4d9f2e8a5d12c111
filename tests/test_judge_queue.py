"""The queue before a judge: order, room, the same messages, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from mtbench_ko.engine import Completer, Engine
from mtbench_ko.judge import Match
from mtbench_ko.pipeline.judge_queue import JudgeQueue


@dataclass(frozen=True)
class Asked:
    """Of a match what the queue looks at."""

    model: str
    key: str


class Room:
    """An engine with so many slots."""

    def __init__(self, slots: int) -> None:
        self._free = asyncio.Semaphore(slots)
        self.let_go_of = False

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Any]:
        async with self._free:
            yield None

    def let_go(self) -> None:
        self.let_go_of = True


def match(model: str, key: str) -> Match:
    return cast(Match, Asked(model, key))


def test_many_wait_in_their_order_and_few_are_tasks() -> None:
    asked: list[str] = []
    most_tasks = most_asked = 0

    async def ask(match: Match, judge: Completer) -> None:
        nonlocal most_tasks, most_asked
        in_flight.add(match.key)
        most_tasks = max(most_tasks, len(asyncio.all_tasks()))
        most_asked = max(most_asked, len(in_flight))
        await asyncio.sleep(1e-4)
        in_flight.discard(match.key)
        asked.append(match.key)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            queue = JudgeQueue(ask, group)
            for number in range(2000):
                queue.put(match("m", str(number)))
            assert len(queue.waiting) == 2000
            queue.serve(cast(Engine, Room(4)))
            await queue.finish()
            queue.put(match("m", "late"))  # the queue was empty meanwhile
            await queue.finish()

    in_flight: set[str] = set()
    asyncio.run(run())
    assert asked == [*map(str, range(2000)), "late"]
    assert most_asked == 4
    assert most_tasks <= 4 + 4  # those in flight and one that waits; the test, the dispatcher, two that just end


def test_same_messages_are_asked_one_after_the_other() -> None:
    in_flight: list[str] = []

    async def ask(match: Match, judge: Completer) -> None:
        assert match.key not in in_flight
        in_flight.append(match.key)
        await asyncio.sleep(0.01)
        in_flight.remove(match.key)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            queue = JudgeQueue(ask, group)
            queue.serve(cast(Engine, Room(8)))
            for number in range(8):
                queue.put(match("m", str(number % 2)))

    asyncio.run(run())


def test_each_model_is_waited_for_alone_and_a_stop_forgets_those_that_wait() -> None:
    async def ask(match: Match, judge: Completer) -> None:
        begun.append(match.key)
        if match.model == "slow":
            await go_on.wait()

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            queue, room = JudgeQueue(ask, group), Room(2)
            queue.put(match("quick", "1"))
            queue.put(match("slow", "2"))
            queue.put(match("slow", "3"))
            queue.put(match("other", "4"))
            queue.put(match("other", "5"))
            queue.serve(cast(Engine, room))
            await queue.finish("quick")
            await asyncio.sleep(0.01)
            assert begun == ["1", "2", "3"]
            queue.stop()
            assert room.let_go_of
            go_on.set()
            await queue.finish()

    begun: list[str] = []
    go_on = asyncio.Event()
    asyncio.run(run())
    assert begun == ["1", "2", "3", "4"]  # the fourth was next, and waited for room


def test_without_a_judge_a_stop_ends_the_waiting() -> None:
    async def ask(match: Match, judge: Completer) -> None:
        raise AssertionError("nobody is there to ask")

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            queue = JudgeQueue(ask, group)
            queue.put(match("m", "1"))
            waiting = group.create_task(queue.finish())
            await asyncio.sleep(0)
            assert not waiting.done()
            queue.stop()

    asyncio.run(run())


def test_calls_that_an_engine_lets_go_are_not_waited_for() -> None:
    class Batch(Room):
        def let_go(self) -> None:
            for reply in replies:
                reply.cancel()

    async def ask(match: Match, judge: Completer) -> None:
        replies.append(asyncio.get_running_loop().create_future())
        await replies[-1]

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            queue = JudgeQueue(ask, group)
            queue.serve(cast(Engine, Batch(2)))
            for number in range(2):
                queue.put(match("m", str(number)))
            waiting = group.create_task(queue.finish())
            await asyncio.sleep(0.01)
            assert len(replies) == 2
            assert not waiting.done()
            queue.stop()
            await asyncio.wait_for(waiting, 10)

    replies: list[asyncio.Future[None]] = []
    asyncio.run(run())
