"""Calls to one Ray actor, many in a message each way: a remote call for each would cost more than the call itself."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mtbench_ko.engine.base import Completion, Failure

Call = tuple[Any, ...]


@dataclass(frozen=True)
class Finished:
    """What an actor has to tell: replies by call number, and the HTTP statuses it has seen since the last time."""

    replies: dict[int, Completion | Failure]
    statuses: list[int]


class Inbox:
    """The actor's half: works on all calls it is given at once, and hands out what is finished."""

    def __init__(self, work: Callable[..., Awaitable[Completion | Failure]]) -> None:
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._something = asyncio.Event()
        self._finished: dict[int, Completion | Failure] = {}
        self._statuses: list[int] = []

    def put(self, calls: dict[int, Call]) -> None:
        for number, call in calls.items():
            task = asyncio.create_task(self._run(number, call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def heard(self, status: int) -> None:
        """Tell the HTTP status of a reply with the next message; a refusal (429) is news of its own."""
        self._statuses.append(status)
        if status == 429:
            self._something.set()

    async def take(self) -> Finished:
        """All replies and statuses since the last time; waits for the first."""
        await self._something.wait()
        self._something.clear()
        finished, self._finished = self._finished, {}
        statuses, self._statuses = self._statuses, []
        return Finished(finished, statuses)

    async def _run(self, number: int, call: Call) -> None:
        try:
            self._finished[number] = await self._work(*call)
        except Exception as error:  # our own code failed on this call; the others go on
            self._finished[number] = Failure("engine_error", f"{type(error).__name__}: {error}")
        self._something.set()


class Mailbox:
    """The driver's half. While a message is on its way, further calls wait for the next one."""

    def __init__(self, actor: Any, heard: Callable[[list[int]], None]) -> None:
        """`actor` has the Ray methods put and take of an `Inbox`; `heard` is told the statuses."""
        self._actor = actor
        self._heard = heard
        self._numbers = itertools.count()
        self._outbox: dict[int, Call] = {}
        self._waiting: dict[int, asyncio.Future[Completion | Failure]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._receiving: asyncio.Task[None] | None = None

    async def call(self, *call: Any) -> Completion | Failure:
        """The reply to `call`.

        Raises:
            ray.exceptions.RayError: the actor died.
        """
        number = next(self._numbers)
        future: asyncio.Future[Completion | Failure] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._outbox[number] = call
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._until_death(self._send()))
        if self._receiving is None or self._receiving.done():
            self._receiving = asyncio.create_task(self._until_death(self._receive()))
        try:
            return await future
        finally:
            self._waiting.pop(number, None)

    async def _send(self) -> None:
        while self._outbox:
            calls, self._outbox = self._outbox, {}
            await self._actor.put.remote(calls)

    async def _receive(self) -> None:
        while self._waiting:
            finished = await self._actor.take.remote()
            self._heard(finished.statuses)
            for number, reply in finished.replies.items():
                future = self._waiting.pop(number, None)
                if future is not None and not future.done():  # else its caller has gone
                    future.set_result(reply)

    async def _until_death(self, work: Coroutine[Any, Any, None]) -> None:
        from ray.exceptions import RayError

        try:
            await work
        except RayError as error:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)
