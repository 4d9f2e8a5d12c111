"""What the replicas of a pool do: their counters, read now and then, and which of them are dead or hang."""

import asyncio
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from typing import Any

from mtbench_ko.engine.balance import Balance, Host
from mtbench_ko.engine.base import Completion, Counters, Failure, ReplicaLost

_ANSWER_SECONDS = 10.0  # for one reading; a process that is stopped never answers


@dataclass
class _Life:
    """One replica from its start to its end. `moved` is when it last took a step, or had nothing to do."""

    host: Host
    began: float
    moved: float
    read: float
    counters: Counters = field(default_factory=Counters)
    calls: int = 0
    completed: int = 0
    ended: float | None = None
    cause: Failure | None = None

    @property
    def cache_hit_rate(self) -> float | None:
        queries = self.counters.cache_queries
        return round(self.counters.cache_hits / queries, 3) if queries else None


class Watch:
    """Keeps the books of all replicas that have served, in one event loop."""

    def __init__(self, balance: Balance, hang: float) -> None:
        """An engine that takes no step for `hang` seconds while it has calls hangs."""
        self._balance = balance
        self._hang = hang
        self._lives: dict[Host, _Life] = {}

    @property
    def has_served(self) -> bool:
        """Whether any replica ever could."""
        return bool(self._lives)

    def started(self, host: Host) -> Host:
        now = _now()
        self._lives[host] = _Life(host, began=now, moved=now, read=now)
        return host

    def ended(self, host: Host, cause: Failure | None) -> None:
        life = self._lives[host]
        life.ended, life.cause = _now(), cause

    async def during(self, host: Host, call: Awaitable[Completion | Failure]) -> Completion | Failure:
        """Await `call`, during which the replica has work."""
        life = self._lives[host]
        life.calls += 1
        try:
            reply = await call
        finally:
            life.calls -= 1
        life.completed += isinstance(reply, Completion)
        return reply

    async def look(self) -> list[tuple[Host, Failure]]:
        """Read all counters; returns the replicas that are dead or hang."""
        hosts = list(self._balance.hosts)
        found = await asyncio.gather(*(self._look_at(self._lives[host]) for host in hosts))
        return [(host, failure) for host, failure in zip(hosts, found, strict=True) if failure is not None]

    async def last_look(self, host: Host) -> None:
        """Read the counters before the replica is stopped."""
        await self._look_at(self._lives[host])
        self.ended(host, None)

    def metrics(self) -> list[dict[str, Any]]:
        """What each replica that serves does, for the progress display."""
        return [
            {
                "running": life.counters.running,
                "waiting": life.counters.waiting,
                "cache_hit_rate": life.cache_hit_rate,
            }
            for life in sorted(self._lives.values(), key=_place)
            if life.ended is None
        ]

    def describe(self) -> list[dict[str, Any]]:
        return [
            {
                "replica": life.host.number,
                **asdict(life.host.info),
                "seconds_served": round((life.ended or life.read) - life.began, 1),
                "completions": life.completed,
                "prompt_tokens": life.counters.prompt_tokens,
                "generated_tokens": life.counters.generated_tokens,
                "cache_hit_rate": life.cache_hit_rate,
                "preemptions": life.counters.preemptions,
                "died": f"{life.cause.reason}: {life.cause.detail}" if life.cause else None,
            }
            for life in sorted(self._lives.values(), key=_place)
        ]

    async def _look_at(self, life: _Life) -> Failure | None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                counters = await life.host.replica.counters()
        except ReplicaLost as error:
            return Failure("engine_died", str(error), scope="replica")
        except TimeoutError:
            counters = life.counters
        now = _now()
        if counters is None or not life.calls or counters.steps != life.counters.steps:
            life.moved = now
        if counters is not None:
            life.counters, life.read = counters, now
        if now - life.moved < self._hang:
            return None
        detail = f"no step for {now - life.moved:.0f} s with {life.calls} requests in work"
        return Failure("engine_hangs", detail, scope="replica")


def _place(life: _Life) -> tuple[int, float]:
    return life.host.number, life.began


def _now() -> float:
    return asyncio.get_running_loop().time()
