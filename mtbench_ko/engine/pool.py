"""Equal replicas behind the Engine protocol: least loaded first, a dead one replaced, its work sent on."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from mtbench_ko.engine.base import Completion, CompletionFailed, Engine, Failure, Messages, ReplicaInfo, Sampling
from mtbench_ko.engine.cluster import worker_env
from mtbench_ko.engine.endpoint import EndpointReplica, EndpointSpec
from mtbench_ko.engine.placement import Replicas
from mtbench_ko.engine.vllm_replica import VllmReplica, VllmSpec
from mtbench_ko.errors import MtBenchError, Stopped

_TRIES = 3  # replicas that one item may see die
_DEATHS = 5  # per replica and run
log = logging.getLogger(__name__)


@dataclass
class _Replica:
    number: int
    actor: Any = None
    load: int = 0
    generation: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class ReplicaPool:
    """The engine that the rest of the program sees. One event loop uses it."""

    def __init__(self, create: Callable[[], Any], count: int) -> None:
        """`create` makes a Ray actor with start, complete and stop."""
        self._create = create
        self._replicas = [_Replica(number) for number in range(count)]
        self._deaths = 0
        self.infos: list[ReplicaInfo] = []

    async def start(self) -> None:
        """Start all replicas beside each other and wait until each can serve."""
        self.infos = list(await asyncio.gather(*(self._start(replica) for replica in self._replicas)))

    async def stop(self) -> None:
        """Stop the replicas; returns when their processes are gone, so that others can have their memory."""
        import ray

        running = [replica.actor for replica in self._replicas if replica.actor is not None]
        await asyncio.gather(*(asyncio.wait_for(actor.stop.remote(), 60) for actor in running), return_exceptions=True)
        for actor in running:
            ray.kill(actor)
        for replica in self._replicas:
            replica.actor = None
            replica.ready.clear()

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        return await self.send(messages, sampling, schema, None)

    def conversation(self) -> Engine:
        return _Conversation(self)

    def describe(self) -> list[dict[str, Any]]:
        """What runs, for the manifest."""
        return [asdict(info) for info in self.infos]

    def choose(self) -> _Replica:
        """The least loaded replica that can serve, or will soonest."""
        return min(self._replicas, key=lambda replica: (not replica.ready.is_set(), replica.load))

    async def send(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None, preferred: _Replica | None
    ) -> Completion:
        """Complete on `preferred` while it lives, else on the replica of choice; on another one if that dies."""
        failure = Failure("engine_died")
        for _ in range(_TRIES):
            usable = preferred is not None and preferred.ready.is_set()
            replica = preferred if preferred is not None and usable else self.choose()
            await replica.ready.wait()
            generation = replica.generation
            reply = await self._call(replica, messages, sampling, schema)
            if isinstance(reply, Completion):
                return reply
            if reply.scope == "run":
                raise Stopped(f"every call would fail: {reply.reason}: {reply.detail}")
            if reply.scope == "item":
                raise CompletionFailed(reply)
            failure = reply
            await self._replace(replica, generation, reply)
        raise CompletionFailed(Failure(failure.reason, f"{_TRIES} replicas died under it; last: {failure.detail}"))

    async def _call(
        self, replica: _Replica, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure:
        from ray.exceptions import RayError

        replica.load += 1
        try:
            reply: Completion | Failure = await replica.actor.complete.remote(messages, sampling, schema)
            return reply
        except RayError as error:
            return Failure("replica_died", f"{type(error).__name__}: {str(error).splitlines()[0]}", scope="replica")
        finally:
            replica.load -= 1

    async def _start(self, replica: _Replica) -> ReplicaInfo:
        from ray.exceptions import RayError

        replica.actor = self._create()
        try:
            info: ReplicaInfo | Failure = await replica.actor.start.remote()
        except RayError as error:
            raise MtBenchError(f"replica {replica.number} died while it started: {error}") from error
        if isinstance(info, Failure):
            raise MtBenchError(f"replica {replica.number} cannot start: {info.detail}")
        replica.generation += 1
        replica.ready.set()
        return info

    async def _replace(self, replica: _Replica, generation: int, failure: Failure) -> None:
        """Put a new actor in the place of a dead one; the first task that saw the death does it, the rest wait."""
        import ray

        if replica.generation != generation or not replica.ready.is_set():
            await replica.ready.wait()
            return
        replica.ready.clear()
        self._deaths += 1
        if self._deaths > _DEATHS * len(self._replicas):
            raise MtBenchError(f"engines died {self._deaths} times; the last one: {failure.reason}: {failure.detail}")
        log.warning("replica %d died (%s), starting another", replica.number, failure.detail)
        ray.kill(replica.actor)
        self.infos[replica.number] = await self._start(replica)


class _Conversation:
    """Sends every turn to the replica that answered the first one, while that lives."""

    def __init__(self, pool: ReplicaPool) -> None:
        self._pool = pool
        self._replica: _Replica | None = None

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        if self._replica is None:
            self._replica = self._pool.choose()
        return await self._pool.send(messages, sampling, schema, self._replica)

    def conversation(self) -> "_Conversation":
        return self


def vllm_pool(spec: VllmSpec, replicas: Replicas) -> ReplicaPool:
    """Replicas of local weights, each one actor that owns its GPUs (or cores) and runs vLLM's own executor."""
    import ray

    environment = worker_env()
    if not replicas.gpus:
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # one process less to start; Ray sets the OMP threads
    actor = ray.remote(VllmReplica).options(
        num_gpus=replicas.gpus,
        num_cpus=replicas.cpus,
        max_concurrency=10_000,
        runtime_env={"env_vars": environment},
    )
    return ReplicaPool(lambda: actor.remote(spec), replicas.count)


def endpoint_pool(spec: EndpointSpec, actors: int = 1) -> ReplicaPool:
    """Clients of an endpoint; one process carries some 500 calls a second."""
    import ray

    actor = ray.remote(EndpointReplica).options(num_cpus=0, max_concurrency=10_000)
    return ReplicaPool(lambda: actor.remote(spec), actors)
