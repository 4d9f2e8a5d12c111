"""How replicas of TP x PP GPUs fit an allocation, and when the local judge runs. Pure arithmetic, no Ray."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mtbench_ko.errors import UsageError

JudgeTime = Literal["none", "endpoint", "shared", "beside", "after"]


@dataclass(frozen=True)
class Node:
    """What Ray offers on one node."""

    gpus: int
    cpus: int


@dataclass(frozen=True)
class Replicas:
    """`count` equal replicas of one model, each of `gpus` = tensor x pipeline parallel GPUs, or of `cpus` cores.

    A replica lies on `nodes` nodes, evenly.
    """

    count: int
    gpus: int
    cpus: int
    tensor_parallel_size: int
    pipeline_parallel_size: int
    nodes: int = 1


def place(
    nodes: Sequence[Node],
    *,
    gpus_per_model: int | None = None,
    gpus_total: int | None = None,
    pipeline_parallel_size: int | None = None,
    replicas: int | None = None,
    reserved: int = 0,
) -> Replicas:
    """Fit one model on `nodes`, of which `reserved` GPUs are left to another one.

    Without a GPU and with none asked for, a replica is an engine on CPU cores.

    Raises:
        UsageError: the shape is impossible; the message says which number to change.
    """
    available = sum(node.gpus for node in nodes)
    if available == 0 and gpus_per_model is None and gpus_total is None:
        return _on_cpu(nodes, replicas or 1)
    per_model = 1 if gpus_per_model is None else gpus_per_model
    if per_model < 1:
        raise UsageError(f"--num-gpus-per-model {per_model}: a replica needs at least one GPU")
    if per_model > available:
        raise UsageError(f"--num-gpus-per-model {per_model}, and the cluster has {_gpus(available)}")
    total = available if gpus_total is None else gpus_total
    if total > available:
        raise UsageError(f"--num-gpus-total {total}, and the cluster has {_gpus(available)}")
    if per_model > total:
        raise UsageError(f"--num-gpus-per-model {per_model} is more than --num-gpus-total {total}")
    largest = max(node.gpus for node in nodes)
    if per_model > largest:
        raise UsageError(
            f"--num-gpus-per-model {per_model}: the largest node has {_gpus(largest)}, and replicas over several "
            f"nodes are not supported yet"
        )
    pp = pipeline_parallel_size or 1
    if per_model % pp:
        raise UsageError(f"--pipeline-parallel-size {pp} does not divide --num-gpus-per-model {per_model}")
    fitting = min(sum(node.gpus // per_model for node in nodes), (total - reserved) // per_model)
    if replicas is None and total % per_model and not reserved:
        raise UsageError(
            f"{_gpus(total)} cannot be shared out into replicas of {per_model}: {total % per_model} would idle. "
            f"Say --replicas {fitting}, or --num-gpus-total {total - total % per_model}"
        )
    if (replicas or 1) > fitting:
        raise UsageError(f"--replicas {replicas or 1} of {_gpus(per_model)} do not fit: there is room for {fitting}")
    return Replicas(replicas or fitting, per_model, 1, per_model // pp, pp)


def judge_time(nodes: Sequence[Node], model_gpus: int | None, total: int | None, judge_gpus: int | None) -> JudgeTime:
    """Whether a local judge of other weights runs "beside" the model, on GPUs to spare, or "after" it."""
    available = sum(node.gpus for node in nodes)
    if not available:
        return "after"
    spare = min(total or available, available) - (model_gpus or 1)
    return "beside" if spare >= (judge_gpus or 1) else "after"


def _on_cpu(nodes: Sequence[Node], count: int) -> Replicas:
    cores = max(node.cpus for node in nodes)
    if count > cores:
        raise UsageError(f"--replicas {count}: an engine on CPU needs a core, and there are {cores}")
    return Replicas(count, 0, max(1, cores // count), 1, 1)


def _gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"
