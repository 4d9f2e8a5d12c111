"""Real vLLM engines over real Ray nodes: any placement gives the same answers, and no death loses one."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ON_LOOPBACK, Program, wait_for_lines
from real_nodes import NO_WORKERS, Nodes, ray_nodes
from run_checks import BENCH, check_run

from mtbench_ko.engine import ReplicaPool, Replicas, Sampling, VllmSpec, resolve_weights, vllm_pool

pytestmark = pytest.mark.soak  # engines of up to three processes on five Ray nodes: minutes, on two cores
SMALL = {"max_model_len": 1024, "kv_cache_memory_bytes": 64 << 20, "max_num_seqs": 8, "dtype": "float32"}
GREEDY = Sampling(temperature=0.0, max_tokens=16)
QUESTIONS = [f"{number}번 질문입니다. 서울의 {word}은 어떤가요?" for number, word in enumerate("산강밤길집밥봄물")]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two GPUs on one node and one on each of two others."""
    with ray_nodes() as nodes:
        for gpus in (2, 1, 1):
            nodes.add(gpus)
        yield nodes


@pytest.fixture(scope="module")
def spec(tiny_models: list[Path]) -> VllmSpec:
    weights = resolve_weights(str(tiny_models[0]))
    return VllmSpec(weights.path, None, weights.chat_template, engine_args=SMALL)


@asynccontextmanager
async def serving(spec: VllmSpec, shape: Replicas) -> AsyncIterator[ReplicaPool]:
    spec = replace(
        spec,
        tensor_parallel_size=shape.tensor_parallel_size,
        pipeline_parallel_size=shape.pipeline_parallel_size,
    )
    pool = vllm_pool(spec, shape)
    began = time.monotonic()
    await pool.start()
    print(f"{shape}: ready after {time.monotonic() - began:.0f} s")
    yield pool
    await pool.stop()


async def answers(pool: ReplicaPool) -> list[str]:
    asked = (pool.complete([{"role": "user", "content": question}], GREEDY) for question in QUESTIONS)
    return [reply.text for reply in await asyncio.gather(*asked)]


def test_every_placement_gives_the_same_answers(nodes: Nodes, spec: VllmSpec) -> None:
    """Tensor parallel inside one actor, tensor and pipeline parallel over two nodes, against one GPU."""

    async def go() -> None:
        async with serving(spec, Replicas(1, 2, 1, 2, 1)) as tensor_parallel:
            got = {"tensor": await answers(tensor_parallel)}
            # This one keeps the node with two GPUs, so that the others must lie over two nodes.
            async with serving(spec, Replicas(1, 1, 1, 1, 1)) as alone:
                expected = await answers(alone)
            async with serving(spec, Replicas(1, 2, 1, 2, 1, nodes=2)) as over_nodes:
                got["tensor over nodes"] = await answers(over_nodes)
                assert over_nodes.describe()[0]["details"]["nodes"] == 2
            async with serving(spec, Replicas(1, 2, 1, 1, 2, nodes=2)) as pipeline:
                got["pipeline over nodes"] = await answers(pipeline)
        assert len(set(expected)) == len(QUESTIONS)  # else equality would say nothing
        assert got == dict.fromkeys(got, expected)

    asyncio.run(go())


def test_node_and_then_a_replica_die_and_no_answer_is_lost_or_made_twice(
    nodes: Nodes, tiny_models: list[Path], program: Program, tmp_path: Path
) -> None:
    """Three replicas on a head and three nodes; the program is a driver of its own."""
    program.env |= ON_LOOPBACK | NO_WORKERS | {"RAY_ADDRESS": nodes.address}
    settings = [f"--engine-arg={name}={value}" for name, value in (SMALL | {"max_model_len": 4096}).items()]
    command = [
        "generate", "--bench-name", BENCH, "--first-n", 16, "--num-choices", 4, "--max-new-token", 256,
        "--model-path", tiny_models[0], "--replicas", 3, *settings,
    ]  # fmt: skip
    began = time.monotonic()
    process = program.start(*command)
    try:
        journal = tmp_path / "outputs" / "_state" / "journal.jsonl"
        wait_for_lines(program, process, journal, 20)
        lost = nodes.kill(next(node for node in nodes.with_engines() if node.gpus == 1))
        print(f"{time.monotonic() - began:.0f} s: node killed")
        wait_for_lines(program, process, journal, 60)
        nodes.with_engines()[0].core.kill()
        print(f"{time.monotonic() - began:.0f} s: engine of a replica killed")
        assert process.wait() == 0, program.log()
        print(f"{time.monotonic() - began:.0f} s: complete")
    finally:
        process.kill()
    assert check_run(tmp_path / "outputs", BENCH, questions=16) == {"turns": 16 * 4 * 2}
    manifest = json.loads((tmp_path / "outputs" / BENCH / "manifest.json").read_text())
    replicas = manifest["runs"][-1]["engines"]["tiny"]["replicas"]
    for line in replicas:
        print({name: line[name] for name in ("node", "seconds_to_start", "seconds_served", "completions", "died")})
    deaths = {line["died"].partition(":")[0] for line in replicas if line["died"]}
    assert "engine_died" in deaths <= {"engine_died", "node_lost", "unreachable"}
    nodes.add(lost.gpus)
