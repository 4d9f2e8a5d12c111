"""The engine room with a real vLLM engine in a Ray actor: one start for all tests of this file."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
import ray
from conftest import joined
from real_nodes import core_of

from mtbench_ko.engine import (
    Completion,
    CompletionFailed,
    Messages,
    ReplicaPool,
    Replicas,
    Sampling,
    VllmSpec,
    resolve_weights,
    vllm_pool,
)
from mtbench_ko.errors import ModelFailed
from mtbench_ko.judge.verdict import FORMATS

Run = Callable[[Awaitable[Any]], Any]
GREEDY = Sampling(temperature=0.0, max_tokens=16)


def ask(text: str) -> Messages:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def engine(tiny_models: list[Path], shared_cluster: str) -> Iterator[tuple[ReplicaPool, Run]]:
    weights = resolve_weights(str(tiny_models[0]))
    loop = asyncio.new_event_loop()
    with joined(shared_cluster), pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS", "15")
        spec = VllmSpec(weights.path, None, weights.chat_template, engine_args={"max_model_len": 1024})
        pool = vllm_pool(spec, Replicas(1, 0, 1))  # one thread: several starve each other on a busy machine
        loop.run_until_complete(pool.start())
        yield pool, loop.run_until_complete
        loop.run_until_complete(pool.stop())
    loop.close()


def test_completion_tells_what_was_sent_and_how_it_ended(engine: tuple[ReplicaPool, Run]) -> None:
    pool, run = engine
    reply: Completion = run(pool.complete(ask("서울은 어떤 곳인가요?"), GREEDY))
    assert reply.sampling == {
        "temperature": 0.0, "max_tokens": 16, "top_p": 1.0, "repetition_penalty": 1.0, "top_k": 0,
    }  # fmt: skip
    assert (reply.finish_reason, reply.completion_tokens) == ("length", 16)
    assert 10 < reply.prompt_tokens < 60


def test_requests_are_batched_and_greedy_answers_depend_on_the_prompt_alone(engine: tuple[ReplicaPool, Run]) -> None:
    pool, run = engine

    async def many() -> list[Completion]:
        return await asyncio.gather(*(pool.complete(ask(f"{n}번 질문입니다."), GREEDY) for n in range(24)))

    texts = [reply.text for reply in run(many())]
    assert len(set(texts)) > 12
    assert texts[5] == run(pool.complete(ask("5번 질문입니다."), GREEDY)).text


def test_context_overflow_is_a_failure_that_is_final(engine: tuple[ReplicaPool, Run]) -> None:
    pool, run = engine
    with pytest.raises(CompletionFailed) as caught:
        run(pool.complete(ask("가나다라 " * 2000), GREEDY))
    assert (caught.value.failure.reason, caught.value.failure.final) == ("context_overflow", True)


def test_answer_is_cut_where_the_context_ends(engine: tuple[ReplicaPool, Run]) -> None:
    pool, run = engine
    reply = run(pool.complete(ask("짧게"), Sampling(temperature=0.0, max_tokens=4000)))
    assert reply.finish_reason == "stop" or reply.prompt_tokens + reply.completion_tokens == 1024


def test_schema_makes_even_a_random_model_give_a_verdict(engine: tuple[ReplicaPool, Run]) -> None:
    pool, run = engine

    async def many() -> list[Completion]:
        sampling = Sampling(temperature=1.0, max_tokens=400)
        calls = (pool.complete(ask(f"{n}번을 평가"), sampling, rating.schema) for n in range(12))
        return await asyncio.gather(*calls)

    rating = FORMATS["[[rating]]"]
    ratings = [rating.parse(reply.text, reply.structured) for reply in run(many())]
    assert all(rating is not None and 1 <= rating <= 10 for rating in ratings)


def test_seeds_make_samples_independent_of_what_runs_beside_them(engine: tuple[ReplicaPool, Run]) -> None:
    """Prompts that together are longer than one step's batch, which kills vLLM's engine on CPU by default."""
    pool, run = engine
    seeded = Sampling(temperature=1.0, max_tokens=16, seed=7)
    long = ask("서울은 어떤 곳인가요? " * 40)

    async def many() -> list[Completion]:
        return await asyncio.gather(*(pool.complete(long, replace(seeded, seed=seed)) for seed in range(24)))

    replies = run(many())
    assert replies[7].text == run(pool.complete(long, seeded)).text
    assert len({reply.text for reply in replies}) > 20
    assert replies[7].sampling["seed"] == 7


def test_counters_reach_the_pool_and_rays_prometheus_endpoint(engine: tuple[ReplicaPool, Run]) -> None:
    if find_spec("opencensus") is None:
        pytest.skip("needs ray[default], whose agent has the endpoint")
    pool, run = engine

    generated = "ray_mtbench_ko_engine_generated_tokens_total"

    async def exported() -> list[str]:
        url = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
        for _ in range(120):  # Ray sends them every ten seconds
            with suppress(OSError):
                page = await asyncio.to_thread(lambda: urlopen(url).read().decode())
                lines = [line for line in page.splitlines() if line.startswith("ray_mtbench_ko_engine_")]
                if any(line.startswith(generated) for line in lines):
                    return lines
            await asyncio.sleep(1)
        raise TimeoutError("no metrics of ours")

    lines = run(exported())
    values = {line.partition("{")[0]: float(line.split()[-1]) for line in lines}
    assert 0 < values[generated] <= pool.describe()[0]["generated_tokens"]
    assert all('model="tiny"' in line for line in lines)
    assert pool.metrics()[0]["cache_hit_rate"] is not None


@pytest.mark.parametrize("end", ["core killed", "core hangs", pytest.param("actor killed", marks=pytest.mark.soak)])
def test_engine_that_ends_is_replaced_its_work_done_by_the_next_and_nothing_left_over(
    engine: tuple[ReplicaPool, Run], end: str
) -> None:
    pool, run = engine
    actor = psutil.Process(pool.describe()[-1]["pid"])
    core = core_of(actor.pid)

    async def under_load() -> list[Completion]:
        sampling = Sampling(temperature=0.0, max_tokens=300)
        work = [asyncio.create_task(pool.complete(ask(f"{n}번"), sampling)) for n in range(8)]
        await asyncio.sleep(0.2)
        os.kill(
            actor.pid if end == "actor killed" else core.pid,
            signal.SIGSTOP if end == "core hangs" else signal.SIGKILL,
        )
        return await asyncio.gather(*work)

    assert len(run(under_load())) == 8
    died, alive = pool.describe()[-2:]
    assert (died["pid"], alive["died"]) == (actor.pid, None)
    symptom = {"core killed": "engine_died", "core hangs": "engine_hangs", "actor killed": "replica_died"}[end]
    assert died["died"].startswith(symptom)
    assert psutil.wait_procs([actor, core], timeout=30)[1] == []


def test_adapter_answers_as_weights_do_into_which_it_was_merged(
    engine: tuple[ReplicaPool, Run], tiny_models: list[Path], tmp_path: Path
) -> None:
    """The chat template is given its variables, too."""
    _, run = engine  # its cluster and loop
    script = Path(__file__).parent / "tiny_adapter.py"
    command = [sys.executable, str(script), str(tiny_models[0]), str(tmp_path / "adapter")]
    expected = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    weights = resolve_weights(str(tiny_models[0]))
    template = weights.chat_template.replace("m['content']", "(m['content'] | replace(was, becomes))")
    spec = VllmSpec(
        weights.path,
        None,
        template,
        chat_template_kwargs={"was": "Q", "becomes": ""},
        lora_path=str(tmp_path / "adapter"),
        engine_args={"max_model_len": 1024, "kv_cache_memory_bytes": 64 << 20, "dtype": "float32"},
    )
    pool = vllm_pool(spec, Replicas(1, 0, 0))

    async def answers() -> list[str]:
        await pool.start()
        replies = await asyncio.gather(*(pool.complete(ask(f"Q{question}Q"), GREEDY) for question in expected))
        await pool.stop()
        return [reply.text for reply in replies]

    # Adding the adapter at every step rounds otherwise than having added it once: late tokens can tip over.
    assert [text[:12] for text in run(answers())] == [text[:12] for text in expected.values()]


def test_weights_that_cannot_be_loaded_fail_the_model_with_vllms_own_words(
    engine: tuple[ReplicaPool, Run], tiny_models: list[Path], tmp_path: Path
) -> None:
    _, run = engine
    broken = shutil.copytree(tiny_models[0], tmp_path / "broken")
    whole = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    weights = resolve_weights(str(broken))
    pool = vllm_pool(VllmSpec(weights.path, None, weights.chat_template), Replicas(1, 0, 0))
    with pytest.raises(ModelFailed, match="safetensor"):
        run(pool.start())
