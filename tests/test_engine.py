"""The engine room with a real vLLM engine in a Ray actor: one start for all tests of this file."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import joined

from mtbench_ko.engine import (
    Completion,
    CompletionFailed,
    Messages,
    ReplicaPool,
    Sampling,
    VllmSpec,
    find_shape,
    place,
    resolve_weights,
    vllm_pool,
)
from mtbench_ko.judge.verdict import FORMATS

Run = Callable[[Awaitable[Any]], Any]
GREEDY = Sampling(temperature=0.0, max_tokens=16)


def ask(text: str) -> Messages:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def engine(tiny_models: list[Path], shared_cluster: str) -> Iterator[tuple[ReplicaPool, Run]]:
    weights = resolve_weights(str(tiny_models[0]))
    loop = asyncio.new_event_loop()
    with joined(shared_cluster) as nodes:
        spec = VllmSpec(weights.path, None, weights.chat_template, engine_args={"max_model_len": 1024})
        pool = vllm_pool(spec, place(nodes, find_shape(nodes), wanted=1))
        loop.run_until_complete(pool.start())
        yield pool, loop.run_until_complete
        loop.run_until_complete(pool.stop())
    loop.close()


def test_completion_tells_what_was_sent_and_how_it_ended(engine: tuple[ReplicaPool, Run]) -> None:
    pool, run = engine
    reply: Completion = run(pool.complete(ask("서울은 어떤 곳인가요?"), GREEDY))
    assert reply.messages == ask("서울은 어떤 곳인가요?")
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


def test_killed_engine_is_replaced_and_its_work_done_by_the_next(engine: tuple[ReplicaPool, Run]) -> None:
    pool, run = engine
    before = pool.describe()[0]["pid"]

    async def kill_under_load() -> list[Completion]:
        work = [
            asyncio.create_task(pool.complete(ask(f"{n}번"), Sampling(temperature=0.0, max_tokens=300)))
            for n in range(8)
        ]
        await asyncio.sleep(0.5)
        core = next(p for p in psutil.Process(before).children(recursive=True) if "EngineCore" in "".join(p.cmdline()))
        os.kill(core.pid, signal.SIGKILL)
        return await asyncio.gather(*work)

    replies = run(kill_under_load())
    assert len(replies) == 8
    dead, alive = pool.describe()
    assert (dead["pid"], alive["died"]) == (before, None)
    assert "engine_died" in dead["died"]
    assert not psutil.pid_exists(before)
