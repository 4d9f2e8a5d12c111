"""Our arm of the judge-pool benchmark: `endpoint_pool`, driven by one event loop as the pipeline drives it."""

import asyncio
import os
import time
from argparse import Namespace

from workload import (
    API_KEY,
    MAX_TOKENS,
    MODEL,
    TEMPERATURE,
    Outcome,
    arm_arguments,
    cpu_seconds,
    descendants,
    hand_over,
    is_whole,
    prompts,
    reset,
    stats,
)

from mtbench_ko.engine.actors import endpoint_pool
from mtbench_ko.engine.base import CompletionFailed, Messages, Sampling
from mtbench_ko.engine.cluster import ray_cluster
from mtbench_ko.engine.endpoint import EndpointSpec
from mtbench_ko.engine.pool import ReplicaPool
from mtbench_ko.engine.throttle import Throttle

_SAMPLING = Sampling(temperature=TEMPERATURE, max_tokens=MAX_TOKENS)


async def measure(arguments: Namespace) -> Outcome:
    """Start the pool, warm it up with one call, then time all items."""
    spec = EndpointSpec(MODEL, f"{arguments.url}/v1", API_KEY, connections=arguments.parallel)
    pool = endpoint_pool(spec, Throttle(arguments.parallel, arguments.rpm))
    await pool.start()
    try:
        await pool.complete(prompts(1)[0], _SAMPLING, None)
        items = prompts(arguments.items)
        reset(arguments.url)
        cpu, began = _cpu(pool), time.perf_counter()
        failures = await _all(pool, items, arguments.parallel)
        seconds = time.perf_counter() - began
        used = {part: total - cpu[part] for part, total in _cpu(pool).items()}
        server = stats(arguments.url)
    finally:
        await pool.stop()
    return Outcome(
        items=len(items),
        completed=len(items) - len(failures),
        seconds=seconds,
        cpu_seconds=used["driver"] + used["actors"],
        server=server,
        failures=failures,
        cpu_parts=used,
    )


async def _all(pool: ReplicaPool, items: list[Messages], parallel: int) -> list[str]:
    """Complete every item, `parallel` of them at a time as the program does; says what went wrong."""
    limit = asyncio.Semaphore(parallel)
    failures = []

    async def one(messages: Messages) -> None:
        async with limit:
            try:
                completion = await pool.complete(messages, _SAMPLING, None)
            except CompletionFailed as error:
                failures.append(str(error))
                return
        if not is_whole(completion.text):
            failures.append(f"not the whole reply: …{completion.text[-40:]}")

    async with asyncio.TaskGroup() as group:
        for messages in items:
            group.create_task(one(messages))
    return failures


def _cpu(pool: ReplicaPool) -> dict[str, float]:
    """CPU seconds so far of the driver, of the actors, and of Ray's own processes, idle workers included."""
    actors = {replica["pid"] for replica in pool.describe()}
    others = descendants(os.getpid()) - actors
    return {
        "driver": time.process_time(),
        "actors": sum(map(cpu_seconds, actors)),
        "ray": sum(map(cpu_seconds, others)),
    }


def main() -> None:
    arguments = arm_arguments("One measurement of our pool; prints it as JSON.")
    with ray_cluster(None):
        outcome = asyncio.run(measure(arguments))
    hand_over(outcome)


if __name__ == "__main__":
    main()
