"""Messages and sampling in, completion out: vLLM in Ray actors, or an OpenAI-compatible endpoint."""

from mtbench_ko.engine.actors import endpoint_pool, vllm_pool
from mtbench_ko.engine.base import (
    Completer,
    Completion,
    CompletionFailed,
    Counters,
    Engine,
    Failure,
    Messages,
    Pool,
    Replica,
    ReplicaInfo,
    ReplicaLost,
    Sampling,
)
from mtbench_ko.engine.batch import BatchEngine
from mtbench_ko.engine.batch_courier import Book
from mtbench_ko.engine.chat_templates import render_template
from mtbench_ko.engine.cluster import alive_nodes, ray_cluster
from mtbench_ko.engine.download import Downloads
from mtbench_ko.engine.endpoint import EndpointSpec, ask_once
from mtbench_ko.engine.placement import (
    Ask,
    JudgeTime,
    Node,
    Replicas,
    Room,
    admit,
    find_shape,
    judge_time,
    place,
    refuse_leftovers,
)
from mtbench_ko.engine.pool import ReplicaPool
from mtbench_ko.engine.throttle import Throttle
from mtbench_ko.engine.vllm_arguments import VllmSpec
from mtbench_ko.engine.weights import Weights, require_vllm, resolve_weights

__all__ = [
    "Ask",
    "BatchEngine",
    "Book",
    "Completer",
    "Completion",
    "CompletionFailed",
    "Counters",
    "Downloads",
    "EndpointSpec",
    "Engine",
    "Failure",
    "JudgeTime",
    "Messages",
    "Node",
    "Pool",
    "Replica",
    "ReplicaInfo",
    "ReplicaLost",
    "ReplicaPool",
    "Replicas",
    "Room",
    "Sampling",
    "Throttle",
    "VllmSpec",
    "Weights",
    "admit",
    "alive_nodes",
    "ask_once",
    "endpoint_pool",
    "find_shape",
    "judge_time",
    "place",
    "ray_cluster",
    "refuse_leftovers",
    "render_template",
    "require_vllm",
    "resolve_weights",
    "vllm_pool",
]
