"""Replicas as Ray actors: their resources, their death as Ray tells it, and what kills them."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from mtbench_ko.engine.base import Completion, Counters, Failure, Messages, ReplicaInfo, ReplicaLost, Sampling
from mtbench_ko.engine.cluster import alive_nodes, worker_env
from mtbench_ko.engine.endpoint import EndpointReplica, EndpointSpec
from mtbench_ko.engine.mailbox import Mailbox
from mtbench_ko.engine.placement import Replicas, Seat
from mtbench_ko.engine.pool import ReplicaPool
from mtbench_ko.engine.throttle import Throttle
from mtbench_ko.engine.vllm_arguments import VllmSpec
from mtbench_ko.engine.vllm_replica import VllmReplica
from mtbench_ko.errors import ModelFailed

_STOP_SECONDS = 60
_CALLS_PER_CLIENT = 500  # in flight: at a second each, what one process can handle
_SAY_SECONDS = 60  # between words about resources that are not there
_STEP_SECONDS = "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"  # vLLM's own limit for a step, which only some executors keep
_STEP_SECONDS_DEFAULT = "300"  # as vLLM has it: a first step may compile
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resources:
    """What one replica takes: `gpus` in all, evenly on `nodes` nodes, and `cpus` cores.

    `seat` is where the plan has it; while its nodes live it waits for room there, else Ray chooses.
    """

    gpus: int = 0
    cpus: int = 0
    nodes: int = 1
    seat: Seat = ()


class ActorReplica:
    """A `Replica` that is one Ray actor; over several nodes it has a placement group and sits in its first bundle."""

    def __init__(
        self,
        kind: type,
        spec: Any,
        resources: Resources,
        environment: dict[str, str] | None = None,
        heard: Callable[[list[int]], None] = lambda statuses: None,
    ) -> None:
        """`kind` is a class with start, put, take, counters and stop; `heard` is told the HTTP statuses it hears."""
        self._kind, self._spec = kind, spec
        self._resources = resources
        self._options: dict[str, Any] = {"max_concurrency": 10_000}
        if environment:
            self._options["runtime_env"] = {"env_vars": environment}
        self._heard = heard
        self._actor: Any = None
        self._group: Any = None
        self._pinned: Seat = ()

    async def place(self) -> None:
        import ray
        from ray.exceptions import RayError

        options = dict(self._options)
        if self._resources.nodes > 1:
            await self._patiently(self._make_group())
            options |= self._in_first_bundle()
        else:
            options |= {"num_gpus": self._resources.gpus, "num_cpus": self._resources.cpus} | self._on_its_node()
        self._actor = ray.remote(self._kind).options(**options).remote(self._spec)
        self._calls = Mailbox(self._actor, self._heard)
        try:
            await self._patiently(self._actor.__ray_ready__.remote())
        except RayError as error:
            raise ReplicaLost(_first_line(error)) from error

    def lacks(self) -> str:
        import ray

        wanted = self._resources
        name, amount = ("GPU", wanted.gpus) if wanted.gpus else ("CPU", wanted.cpus)
        on = "one node" if wanted.nodes == 1 else f"{wanted.nodes} nodes"
        there = sorted((int(node["Resources"].get(name, 0)) for node in ray.nodes() if node["Alive"]), reverse=True)
        free = int(ray.available_resources().get(name, 0))
        nodes = "+".join(map(str, there))
        return f"a replica needs {amount} {name}s on {on}; the cluster's nodes have {nodes}, of which {free} are free"

    async def start(self) -> ReplicaInfo:
        from ray.exceptions import RayError, RayTaskError

        try:
            info: ReplicaInfo | Failure = await self._actor.start.remote()
        except RayTaskError as error:  # our own code
            raise ModelFailed(str(error).strip().splitlines()[-1]) from error
        except RayError as error:
            raise ReplicaLost(f"it died while it started: {_first_line(error)}") from error
        if isinstance(info, ReplicaInfo):
            return info
        if self._group and not _alive(_nodes_of(self._group)):
            raise ReplicaLost(f"a node was lost while it started: {info.detail}")
        raise ModelFailed(info.detail)

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure:
        from ray.exceptions import RayError

        try:
            return await self._calls.call(messages, sampling, schema)
        except RayError as error:
            return _death(error)

    async def counters(self) -> Counters | None:
        from ray.exceptions import RayError

        try:
            reading: Counters | Failure | None = await self._actor.counters.remote()
        except RayError as error:
            raise ReplicaLost(_first_line(error)) from error
        if isinstance(reading, Failure):
            raise ReplicaLost(reading.detail)
        return reading

    async def stop(self) -> None:
        async with asyncio.timeout(_STOP_SECONDS):
            await self._actor.stop.remote()

    def kill(self) -> None:
        import ray
        from ray.exceptions import RayError
        from ray.util import remove_placement_group

        if self._actor is not None:
            with suppress(RayError):  # it was never made
                ray.kill(self._actor)
        if self._group is not None:
            remove_placement_group(self._group)

    def _make_group(self) -> Any:
        """A bundle for each GPU, as vLLM's Ray executor wants them: on their nodes, else on as few as Ray can."""
        from ray.util import placement_group

        self._pinned = self._resources.seat if _alive(self._resources.seat) else ()
        where = [{"ray.io/node-id": node} for node in self._pinned] or None
        bundles = [{"GPU": 1, "CPU": 1}] * self._resources.gpus
        self._group = placement_group(bundles, strategy="PACK", bundle_label_selector=where)
        return self._group.ready()

    def _on_its_node(self) -> dict[str, Any]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if not self._resources.seat:
            return {}
        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(self._resources.seat[0], soft=True)}

    def _in_first_bundle(self) -> dict[str, Any]:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        strategy = PlacementGroupSchedulingStrategy(
            self._group, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
        )
        return {"num_gpus": 0, "num_cpus": 1, "scheduling_strategy": strategy}

    async def _patiently(self, reference: Any) -> None:
        """Await a Ray reference, with a word now and then on what is missing."""
        waiting = asyncio.ensure_future(reference)
        try:
            while not (await asyncio.wait({waiting}, timeout=_SAY_SECONDS))[0]:
                if not _alive(self._pinned):  # Ray would wait for the node for ever
                    raise ReplicaLost("a node was lost that it waited for")
                log.warning("waiting: %s", self.lacks())
        finally:
            waiting.cancel()
        await waiting


def vllm_pool(spec: VllmSpec, replicas: Replicas) -> ReplicaPool:
    """Replicas of local weights. On one node an actor owns its GPUs (or cores) and runs vLLM's own executor; over
    several nodes vLLM's Ray executor puts its workers into the replica's placement group."""
    environment = {_STEP_SECONDS: _STEP_SECONDS_DEFAULT} | worker_env()
    if not replicas.gpus:
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # one process less to start; Ray sets the OMP threads
    spec = replace(spec, nodes=replicas.nodes)
    hang = float(environment[_STEP_SECONDS]) + 15  # vLLM speaks first where it does

    def create(number: int) -> ActorReplica:
        seat = replicas.seats[number] if replicas.seats else ()
        resources = Resources(replicas.gpus, replicas.cpus, replicas.nodes, seat)
        return ActorReplica(VllmReplica, spec, resources, environment)

    return ReplicaPool(create, replicas.count, hang=hang)


def endpoint_pool(spec: EndpointSpec, throttle: Throttle) -> ReplicaPool:
    """Clients of an endpoint, paced by `throttle`: a process for every 500 calls in flight, at most one a core."""
    import ray

    cores = int(ray.cluster_resources().get("CPU", 1))
    count = max(1, min(cores, -(-throttle.parallel // _CALLS_PER_CLIENT)))
    spec = replace(spec, connections=-(-throttle.parallel // count))
    return ReplicaPool(
        lambda number: ActorReplica(EndpointReplica, spec, Resources(), heard=throttle.heard), count, throttle=throttle
    )


def _death(error: Any) -> Failure:
    """Ray's error as a failure: a lost node is nobody's fault, a process that ended may be the conversation's."""
    from ray.exceptions import ActorUnavailableError

    reason = "replica_died"
    if getattr(error, "preempted", False) or "node has died" in str(error):
        reason = "node_lost"
    elif isinstance(error, ActorUnavailableError):  # the connection broke, mostly because the node did
        reason = "unreachable"
    return Failure(reason, _first_line(error), scope="replica")


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"


def _nodes_of(group: Any) -> Seat:
    """The nodes on which a placement group lies; "" where it has none any more."""
    from ray.util import placement_group_table

    return tuple(placement_group_table(group)["bundles_to_node_id"].values())


def _alive(seat: Seat) -> bool:
    """Whether all its nodes are there."""
    return {node.id for node in alive_nodes()}.issuperset(seat)
