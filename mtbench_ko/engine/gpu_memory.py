"""Waiting until GPUs that another engine has just left are seen free."""

import asyncio
import logging
from collections.abc import Callable, Sequence

_DEFAULT_SHARE = 0.9  # of a GPU's memory: vLLM's own gpu_memory_utilization
_SLACK = 0.02  # of it, for the driver and for contexts
_SECONDS = 120.0
log = logging.getLogger(__name__)

Reading = dict[str, tuple[int, int]]  # GPU -> bytes free, bytes in all


async def wait_for_memory(
    gpus: Sequence[str | int],
    share: float | None,
    read: Callable[[Sequence[str | int]], Reading] | None = None,
    seconds: float = _SECONDS,
) -> None:
    """Wait until `share` of each GPU's memory is free, at most `seconds`; then vLLM has the word.

    The processes of an engine that was killed can hold their memory for some seconds after the GPU was given away.
    """
    wanted = min(1.0, _DEFAULT_SHARE if share is None else share) - _SLACK
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while full := {gpu: it for gpu, it in (read or _nvml)(gpus).items() if it[0] < wanted * it[1]}:
        words = ", ".join(f"GPU {gpu}: {free >> 30} of {total >> 30} GiB free" for gpu, (free, total) in full.items())
        if clock() >= until:
            log.warning("%s after %.0f s, and %.0f %% are wanted: loading all the same", words, seconds, 100 * wanted)
            return
        log.warning("waiting for memory: %s", words)
        await asyncio.sleep(2)


async def wait_for_groups_memory(share: float | None) -> None:
    """The same for every bundle of the placement group that the caller, a Ray actor, is in.

    Its GPUs are on several nodes and go to workers that vLLM starts itself; until then a task on each looks at them.
    """
    import ray
    from ray.util import get_current_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = get_current_placement_group()
    wait = ray.remote(num_cpus=0, num_gpus=1, max_retries=0)(_wait_in_a_bundle)
    bundles = [PlacementGroupSchedulingStrategy(group, bundle) for bundle in range(group.bundle_count)]
    await asyncio.gather(*(wait.options(scheduling_strategy=bundle).remote(share) for bundle in bundles))


def _wait_in_a_bundle(share: float | None) -> None:
    import ray

    asyncio.run(wait_for_memory(ray.get_gpu_ids(), share))


def _nvml(gpus: Sequence[str | int]) -> Reading:
    """What NVIDIA's driver says; nothing where there is none (CPU, other vendors)."""
    from vllm.platforms import current_platform

    if not gpus or not current_platform.is_cuda():
        return {}
    from vllm.third_party import pynvml

    pynvml.nvmlInit()
    try:
        found: Reading = {}
        for gpu in gpus:
            name = str(gpu)
            by_index = name.isdecimal()
            handle = (
                pynvml.nvmlDeviceGetHandleByIndex(int(name)) if by_index else pynvml.nvmlDeviceGetHandleByUUID(name)
            )
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            found[name] = (int(memory.free), int(memory.total))
        return found
    finally:
        pynvml.nvmlShutdown()
