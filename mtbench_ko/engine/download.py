"""Weights of hub models, downloaded while other models generate, to the nodes where they will probably load."""

import asyncio
import logging
from collections.abc import Collection
from typing import Any

from mtbench_ko.engine.cluster import worker_env
from mtbench_ko.engine.weights import SMALL_FILES, WEIGHT_SUFFIXES, Weights

log = logging.getLogger(__name__)


class Downloads:
    """Once for each model and node, in the background. What fails is left to the engine, which downloads too."""

    def __init__(self) -> None:
        self._begun: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, weights: Weights, nodes: Collection[str]) -> asyncio.Task[None] | None:
        """Have `nodes` (Ray's ids) fetch the weights: one first, since they may share a cache, then the others.

        None if there is nothing to begin.
        """
        wanted = [node for node in nodes if (weights.path, node) not in self._begun]
        if weights.revision is None or not wanted:
            return None
        self._begun |= {(weights.path, node) for node in wanted}
        task = asyncio.create_task(_download(weights, wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Wait for none of them."""
        for task in self._tasks:
            task.cancel()


async def _download(weights: Weights, nodes: list[str]) -> None:
    await _on_node(weights, nodes[0])
    await asyncio.gather(*(_on_node(weights, node) for node in nodes[1:]))


async def _on_node(weights: Weights, node: str) -> None:
    import ray
    from huggingface_hub import get_token
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task: Any = ray.remote(fetch).options(
        num_cpus=0,
        max_retries=0,
        runtime_env={"env_vars": worker_env()},
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )
    try:
        await task.remote(weights.path, weights.revision, get_token())
    except RayError as error:
        log.warning("%s is not downloaded ahead: %s", weights.path, str(error).strip().splitlines()[-1])


def fetch(repository: str, commit: str, token: str | None) -> None:
    """Put into the hub cache what vLLM loads of `repository`: of its weights the best format alone."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        files = HfApi(token=token).list_repo_files(repository, revision=commit)
    except OfflineModeIsEnabled:
        return  # what is there is there
    suffix = next((each for each in WEIGHT_SUFFIXES if any(file.endswith(each) for file in files)), ".safetensors")
    snapshot_download(
        repository,
        revision=commit,
        token=token,
        allow_patterns=[f"*{suffix}", *SMALL_FILES],
        ignore_patterns=["original/*"],  # Meta's own format, which vLLM does not read
    )
