"""Equal replicas behind the Engine protocol: started, watched, and replaced when they die.

Plain asyncio: what a replica is made of comes with `create`. Ray's actors are in `actors.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from mtbench_ko.engine.balance import Balance, Host, Talk
from mtbench_ko.engine.base import (
    Completer,
    Completion,
    CompletionFailed,
    Failure,
    Messages,
    Replica,
    ReplicaLost,
    Sampling,
)
from mtbench_ko.engine.throttle import Throttle
from mtbench_ko.engine.watch import Watch
from mtbench_ko.errors import ModelFailed, Stopped

INNOCENT = ("node_lost", "unreachable", "stopped")  # reasons of deaths that no conversation can have caused
_STARTS = 3  # in a row that may fail while nothing serves
_FRUITLESS = 5  # deaths in a row without a single reply between them, while nothing serves
_PAUSES = (1.0, 15.0, 60.0, 300.0)  # seconds before the next start after one that failed
log = logging.getLogger(__name__)


class ReplicaPool:
    """The engine that the rest of the program sees. One event loop uses it."""

    def __init__(
        self,
        create: Callable[[int], Replica],
        count: int,
        *,
        throttle: Throttle | None = None,
        patience: float = 900.0,
        hang: float = 300.0,
        look: float = 5.0,
    ) -> None:
        """`create` makes the replica for one of `count` places; all calls are paced by `throttle`.

        `patience` is for how many seconds nothing may serve or load, for lack of resources. An engine that takes no
        step for `hang` seconds while it has work counts as dead; counters are read every `look` seconds.
        """
        self._create = create
        self._throttle = throttle
        self._balance = Balance()
        self._watch = Watch(self._balance, hang)
        self._patience, self._look = patience, look
        self._present: dict[int, Replica | None] = dict.fromkeys(range(count))  # by place
        self._waiting_for_resources: set[int] = set()
        self._refused: set[int] = set()  # places whose engine would not load, when none had ever
        self._deaths: dict[Host, asyncio.Future[Failure]] = {}
        self._fruitless = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._first: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Start all replicas beside each other and wait until the first can serve; the others join as they can.

        Raises:
            ModelFailed: none can.
        """
        self._first = asyncio.get_running_loop().create_future()
        for number in self._present:
            self._spawn(self._keep(number))
        self._spawn(self._look_after())
        try:
            await self._first
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ask the replicas to end their engines, wait for that, and end what is left. Calls in work fail."""
        self._balance.fail(ModelFailed("its engines were stopped"))
        for death in self._deaths.values():
            if not death.done():
                death.set_result(Failure("stopped", scope="replica"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        hosts = list(self._balance.hosts)
        await asyncio.gather(*(self._watch.last_look(host) for host in hosts))
        for result in await asyncio.gather(*(host.replica.stop() for host in hosts), return_exceptions=True):
            if isinstance(result, BaseException):
                log.warning("a replica did not stop by itself and is killed: %s", type(result).__name__)
        for number, replica in self._present.items():
            if replica is not None:
                replica.kill()
                self._present[number] = None

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        async with self.conversation() as talk:
            return await talk.complete(messages, sampling, schema)

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Completer]:
        talk = Talk()
        await self._balance.seat(talk)
        try:
            yield _Conversation(self, talk)
        finally:
            self._balance.leave(talk)

    def let_go(self) -> None:
        """Nothing: its calls end soon."""

    def metrics(self) -> list[dict[str, Any]]:
        """What each replica that serves is doing, as of the last look."""
        return self._watch.metrics()

    def describe(self) -> list[dict[str, Any]]:
        """Every replica that has served: what it is, what it did, and how it ended. For the manifest."""
        return self._watch.describe()

    async def send(
        self, talk: Talk, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion:
        """Complete on the replica where `talk` is, and as often as that dies on another one."""
        while True:
            host = await self._balance.seat(talk)
            reply = await self._call(host, messages, sampling, schema)
            if isinstance(reply, Completion):
                self._fruitless = 0
                return reply
            if reply.scope == "run":
                raise Stopped(f"every call would fail: {reply.reason}: {reply.detail}")
            if reply.scope == "item":
                raise CompletionFailed(reply)
            cause = self._dead(host, reply)
            if talk.convicted:
                detail = f"{talk.deaths} engines died while they worked on it, the last one so: {cause.detail}"
                raise CompletionFailed(Failure(cause.reason, detail, final=True))

    async def _call(
        self, host: Host, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure:
        if self._throttle is None:
            return await self._watch.during(host, host.replica.complete(messages, sampling, schema))
        async with self._throttle.admitted():
            reply = await self._watch.during(host, host.replica.complete(messages, sampling, schema))
        if isinstance(reply, Completion):
            self._throttle.used(reply.prompt_tokens + reply.completion_tokens)
        return reply

    def _dead(self, host: Host, symptom: Failure) -> Failure:
        """Take a dead replica out, if this is the first to see it; returns the first symptom."""
        death = self._deaths[host]
        if not death.done():
            death.set_result(symptom)
            self._fruitless += 1
            self._watch.ended(host, symptom)
            self._balance.died(host, blame=symptom.reason not in INNOCENT)
        return death.result()

    async def _keep(self, number: int) -> None:
        """Keep a replica in place `number`."""
        failed = 0  # starts in a row
        while True:
            replica = self._present[number] = self._create(number)
            try:
                host = await self._begin(number, replica)
            except (ReplicaLost, ModelFailed) as error:
                replica.kill()
                failed += 1
                log.warning("replica %d cannot start: %s", number, error)
                await self._before_next_start(number, error, failed)
                continue
            failed = 0
            death = self._deaths[host] = asyncio.get_running_loop().create_future()
            self._balance.join(host)
            assert self._first is not None
            if not self._first.done():
                self._first.set_result(None)
            cause = await death
            replica.kill()
            log.warning("replica %d died, another is started: %s: %s", number, cause.reason, cause.detail)
            if not self._balance.hosts and self._fruitless >= _FRUITLESS:
                raise ModelFailed(
                    f"engines died {self._fruitless} times without a reply between; the last one so: {cause.detail}"
                )

    async def _before_next_start(self, number: int, error: Exception, failed: int) -> None:
        """Wait until it makes sense to try again in place `number`, after so many failures in a row.

        Raises:
            ModelFailed: it makes none.
        """
        assert self._first is not None
        if isinstance(error, ModelFailed) and not self._watch.has_served:
            self._refused.add(number)
            if self._idle == set(self._present):
                raise error
            await asyncio.shield(self._first)  # others load yet: is it the model, or this place?
            self._refused.discard(number)
        if failed >= _STARTS and not self._balance.hosts:
            raise ModelFailed(str(error)) from error
        await asyncio.sleep(_PAUSES[min(failed, len(_PAUSES)) - 1])

    @property
    def _idle(self) -> set[int]:
        """The places in which nothing is being done."""
        return self._refused | self._waiting_for_resources

    async def _begin(self, number: int, replica: Replica) -> Host:
        self._waiting_for_resources.add(number)
        try:
            await replica.place()
        finally:
            self._waiting_for_resources.discard(number)
        info = await replica.start()
        return self._watch.started(Host(number, replica, info, joined=asyncio.get_running_loop().time()))

    async def _look_after(self) -> None:
        """Read the counters, notice what hangs, and give up when resources stay away."""
        clock = asyncio.get_running_loop().time
        busy = clock()
        while True:
            await asyncio.sleep(self._look)
            for host, failure in await self._watch.look():
                self._dead(host, failure)
            if self._balance.hosts or self._idle != set(self._present):
                busy = clock()
            elif clock() - busy > self._patience:
                number = min(self._waiting_for_resources)
                replica = self._present[number]
                assert replica is not None
                raise ModelFailed(f"no replica could be placed for {self._patience:.0f} s: {replica.lacks()}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        """Work in the background ended, which it does by an error only: whoever waits for a replica is told."""
        if task.cancelled():
            return
        error = task.exception()
        assert error is not None
        for other in self._tasks:
            other.cancel()
        self._balance.fail(error)
        if self._first is not None and not self._first.done():
            self._first.set_exception(error)


class _Conversation:
    """The turns of one conversation."""

    def __init__(self, pool: ReplicaPool, talk: Talk) -> None:
        self._pool = pool
        self._talk = talk

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        return await self._pool.send(self._talk, messages, sampling, schema)
