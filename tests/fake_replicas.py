"""Replicas without engines, for the rules of a pool: they take time, die, hang and wait for GPUs as they are told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mtbench_ko.engine import Completion, Counters, Failure, Messages, ReplicaInfo, ReplicaLost, Sampling
from mtbench_ko.errors import ModelFailed

DEAD = Failure("engine_died", "EngineCore is dead", scope="replica")
NODE_LOST = Failure("node_lost", "its node has died", scope="replica")


@dataclass(eq=False)
class Cluster:
    """Where the replicas live. `gpus` of them can run at once; `load` is how long place n takes to load.

    `poison` are texts that kill the engine that reads them, `broken` what engines say instead of starting.
    """

    gpus: int = 100
    slots: int = 4
    load: Callable[[int], float] = lambda number: 10.0
    seconds: float = 10.0
    poison: set[str] = field(default_factory=set)
    broken: str | None = None
    made: list["FakeReplica"] = field(default_factory=list)

    def replica(self, number: int) -> "FakeReplica":
        self.made.append(FakeReplica(self, number))
        return self.made[-1]

    @property
    def running(self) -> list["FakeReplica"]:
        return [replica for replica in self.made if replica.state == "serving"]


class FakeReplica:
    """One engine; a call takes `cluster.seconds`."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster, self.number = cluster, number
        self.state = "waiting"
        self.death: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self.hangs = False
        self.at_once = self.most_at_once = self.steps = 0
        self.read: list[str] = []

    async def place(self) -> None:
        while self.cluster.gpus < 1:  # noqa: ASYNC110 - tests set the number from outside
            await asyncio.sleep(1)
        self.cluster.gpus -= 1
        self.state = "placed"

    def lacks(self) -> str:
        return "a replica needs 1 GPU, and the cluster has 0"

    async def start(self) -> ReplicaInfo:
        await asyncio.sleep(self.cluster.load(self.number))
        if self.cluster.broken:
            raise ModelFailed(self.cluster.broken)
        if self.death.done():
            raise ReplicaLost("it died while it started")
        self.state = "serving"
        return ReplicaInfo("fake", "m", f"node-{self.number}", 0, 10.0, self.cluster.slots)

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure:
        text = messages[-1]["content"]
        self.read.append(text)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            work = asyncio.create_task(self._work(text))
            await asyncio.wait({work, self.death}, return_when="FIRST_COMPLETED")
            work.cancel()
        finally:
            self.at_once -= 1
        if self.death.done():
            return self.death.result()
        return Completion(f"re: {text}", None, "stop", 1, 10, {}, "m")

    async def _work(self, text: str) -> None:
        if text in self.cluster.poison:
            await asyncio.sleep(1)
            self.die(DEAD)
        await asyncio.sleep(1e9 if self.hangs else self.cluster.seconds)
        self.steps += 1

    async def counters(self) -> Counters | None:
        if self.death.done():
            raise ReplicaLost("dead")
        return Counters(
            self.steps, running=self.at_once, generated_tokens=10 * self.steps, cache_queries=4, cache_hits=3
        )

    async def stop(self) -> None:
        self.state = "stopped"

    def die(self, cause: Failure, takes_gpu: bool = False) -> None:
        """End by itself; the GPU may be lost with it."""
        if not self.death.done():
            self.death.set_result(cause)
            self.cluster.gpus -= takes_gpu

    def kill(self) -> None:
        self.die(Failure("replica_died", "killed", scope="replica"))
        self.cluster.gpus += self.state in ("placed", "serving", "stopped")
        self.state = "gone"
