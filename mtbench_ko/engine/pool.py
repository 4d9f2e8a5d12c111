"""Equal replicas behind the Engine protocol: least loaded first, a dead one replaced, its work sent on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from mtbench_ko.engine.base import Completer, Completion, CompletionFailed, Failure, Messages, ReplicaInfo, Sampling
from mtbench_ko.engine.batched import Batched
from mtbench_ko.engine.cluster import worker_env
from mtbench_ko.engine.endpoint import EndpointReplica, EndpointSpec
from mtbench_ko.engine.placement import Replicas
from mtbench_ko.engine.throttle import Throttle
from mtbench_ko.engine.vllm_replica import VllmReplica, VllmSpec
from mtbench_ko.errors import MtBenchError, Stopped, UsageError

_TRIES = 3  # replicas that one item may see die
_DEATHS = 5  # per replica and run
_STOP_SECONDS = 60
_UNBOUNDED = 100_000  # local engines queue by themselves
_CALLS_PER_CLIENT = 500  # in flight: at a second each, what one process can handle
log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Replica:
    """One place in the pool. `starting` ends when its present actor can serve, or fails when it cannot start."""

    number: int
    actor: Any = None
    call: Callable[..., Awaitable[Completion | Failure]] | None = None
    load: int = 0
    starting: asyncio.Task[ReplicaInfo] | None = None

    @property
    def ready(self) -> bool:
        return self.starting is not None and self.starting.done()


class ReplicaPool:
    """The engine that the rest of the program sees. One event loop uses it.

    Attributes:
        parallel: calls worth having in flight; what is beyond waits with the caller.
    """

    def __init__(self, create: Callable[[], Any], count: int, throttle: Throttle | None = None) -> None:
        """`create` makes a Ray actor with start, complete and stop.

        With a `throttle`, which paces them, calls are many and small: they share messages (`Batched`).
        """
        self._create = create
        self._throttle = throttle
        self.parallel = throttle.parallel if throttle else _UNBOUNDED
        self._replicas = [_Replica(number) for number in range(count)]
        self._deaths = 0

    async def start(self) -> None:
        """Start all replicas beside each other and wait until each can serve.

        Raises:
            UsageError, MtBenchError: one cannot start.
        """
        await asyncio.gather(*(self._begin(replica) for replica in self._replicas))

    async def stop(self) -> None:
        """Ask the replicas to end their engines, wait for that, and end the actors."""
        import ray

        running = [replica.actor for replica in self._replicas if replica.actor is not None]
        stops = [asyncio.wait_for(actor.stop.remote(), _STOP_SECONDS) for actor in running]
        for result in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(result, Exception):
                log.warning("a replica did not stop by itself and is killed: %s", type(result).__name__)
        for actor in running:
            ray.kill(actor)

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        return await self.send(messages, sampling, schema, None)

    def conversation(self) -> Completer:
        return _Conversation(self)

    def describe(self) -> list[dict[str, Any]]:
        """What runs, for the manifest."""
        return [asdict(r.starting.result()) for r in self._replicas if r.starting is not None and r.ready]

    def choose(self) -> _Replica:
        """The least loaded replica that can serve; one that is starting only if none can."""
        return min(self._replicas, key=lambda replica: (not replica.ready, replica.load))

    async def send(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None, preferred: _Replica | None
    ) -> Completion:
        """Complete on `preferred` while it lives, else on the replica of choice; on another one if that dies."""
        if self._throttle is None:
            return await self._send(messages, sampling, schema, preferred)
        async with self._throttle.admitted():
            completion = await self._send(messages, sampling, schema, preferred)
        self._throttle.used(completion.prompt_tokens + completion.completion_tokens)
        return completion

    async def _send(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None, preferred: _Replica | None
    ) -> Completion:
        failure = Failure("engine_died")
        for _ in range(_TRIES):
            replica = preferred if preferred is not None and preferred.ready else self.choose()
            assert replica.starting is not None
            await asyncio.shield(replica.starting)
            actor = replica.actor
            reply = await self._call(replica, messages, sampling, schema)
            if isinstance(reply, Completion):
                return reply
            if reply.scope == "run":
                raise Stopped(f"every call would fail: {reply.reason}: {reply.detail}")
            if reply.scope == "item":
                raise CompletionFailed(reply)
            failure = reply
            if replica.actor is actor:  # the first task to see the death has it replaced
                self._replace(replica, reply)
        raise CompletionFailed(Failure(failure.reason, f"{_TRIES} replicas died under it; last: {failure.detail}"))

    async def _call(
        self, replica: _Replica, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure:
        from ray.exceptions import RayError, RayTaskError

        replica.load += 1
        try:
            assert replica.call is not None
            return await replica.call(messages, sampling, schema)
        except RayTaskError as error:  # the actor lives: our own code failed on this item
            return Failure("engine_error", str(error).strip().splitlines()[-1])
        except RayError as error:
            return Failure("replica_died", f"{type(error).__name__}: {str(error).splitlines()[0]}", scope="replica")
        finally:
            replica.load -= 1

    def _begin(self, replica: _Replica) -> asyncio.Task[ReplicaInfo]:
        actor = replica.actor = self._create()
        replica.call = Batched(actor, self._throttle.heard).call if self._throttle else actor.complete.remote
        replica.starting = asyncio.create_task(_started(replica.number, replica.actor))
        return replica.starting

    def _replace(self, replica: _Replica, failure: Failure) -> None:
        """Put a new actor in the place of a dead one; whoever waits for it sees it fail if it does."""
        import ray

        self._deaths += 1
        if self._deaths > _DEATHS * len(self._replicas):
            raise MtBenchError(f"engines died {self._deaths} times; the last one: {failure.reason}: {failure.detail}")
        log.warning("replica %d died (%s), starting another", replica.number, failure.detail)
        ray.kill(replica.actor)
        self._begin(replica)


async def _started(number: int, actor: Any) -> ReplicaInfo:
    from ray.exceptions import RayError

    try:
        info: ReplicaInfo | Failure = await actor.start.remote()
    except RayError as error:
        raise MtBenchError(f"replica {number} died while it started: {error}") from error
    if isinstance(info, Failure):
        raise (UsageError if info.reason == "usage" else MtBenchError)(f"replica {number} cannot start: {info.detail}")
    return info


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


def endpoint_pool(spec: EndpointSpec, throttle: Throttle) -> ReplicaPool:
    """Clients of an endpoint, paced by `throttle`: a process for every 500 calls in flight, at most one a core."""
    import ray

    cores = int(ray.cluster_resources().get("CPU", 1))
    count = min(cores, -(-throttle.parallel // _CALLS_PER_CLIENT))
    actor = ray.remote(EndpointReplica).options(num_cpus=0)
    return ReplicaPool(lambda: actor.remote(spec), max(1, count), throttle)
