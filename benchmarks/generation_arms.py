"""One arm of the generation benchmark in a process of its own: loads once, then measures whenever it is told to.

    python generation_arms.py ours|direct|transformers MODEL

Says "ready" in a line of JSON, then answers each line {"chats": [...], "way": "flow" or "waves"} on stdin with one of
{"seconds", "tokens"}.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simulated import temporary_store

from mtbench_ko.engine import (
    Completion,
    Messages,
    Replicas,
    Sampling,
    VllmSpec,
    ray_cluster,
    resolve_weights,
    vllm_pool,
)
from mtbench_ko.engine.cluster import worker_env
from mtbench_ko.engine.vllm_arguments import cpu_dtype, engine_arguments
from mtbench_ko.generate import Conversation, Subject
from mtbench_ko.lines import Question
from mtbench_ko.pipeline import Pipeline
from mtbench_ko.progress import RunProgress

ENGINE = {"max_model_len": 4096, "max_num_seqs": 128}
GREEDY = Sampling(temperature=0.0, max_tokens=1)  # so that every arm writes the same
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Chat:
    """A question of two turns, and how many tokens each of its answers may have."""

    turns: list[str]
    max_tokens: list[int]

    @property
    def limits(self) -> list[tuple[str, int]]:
        return list(zip(self.turns, self.max_tokens, strict=True))


class Limited:
    """An engine whose replies may be as long as `limits` says of the question; `generate` has one limit for all."""

    def __init__(self, engine: Any, limits: dict[str, int]) -> None:
        self._engine, self._limits = engine, limits

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator["Limited"]:
        async with self._engine.conversation() as talk:
            yield Limited(talk, self._limits)

    async def complete(self, messages: Messages, sampling: Sampling, schema: Any = None) -> Completion:
        sampling = replace(sampling, max_tokens=self._limits[messages[-1]["content"]])
        completion: Completion = await self._engine.complete(messages, sampling, schema)
        return completion

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class Arm(Protocol):
    """Something that holds chats."""

    async def hold(self, chats: list[Chat], way: str) -> int:
        """Answer both turns of all; returns the tokens generated."""
        ...


class Ours:
    """What `generate` runs: a Ray actor with vLLM, the pool, the pipeline, and the journal on disk."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def loaded(cls, model: str) -> AsyncIterator[Arm]:
        with ray_cluster(None):
            pool = vllm_pool(_spec(model), Replicas(1, 0, CORES))
            await pool.start()
            yield cls(pool)
            await pool.stop()

    async def hold(self, chats: list[Chat], way: str) -> int:
        subject = Subject("m", "weights", None, None)
        talks = [
            Conversation("b", Question(question_id=n, category="writing", turns=chat.turns), 0, subject, GREEDY)
            for n, chat in enumerate(chats)
        ]
        engine = Limited(self._pool, {turn: limit for chat in chats for turn, limit in chat.limits})
        progress = RunProgress(2 * len(chats), 0)
        with temporary_store() as store:
            async with asyncio.TaskGroup() as group:
                pipeline = Pipeline(store, (), progress, group)
                await pipeline.answer(talks, engine)
        if pipeline.counts.answered != 2 * len(chats):
            raise RuntimeError(f"answers are missing: {pipeline.counts}")
        return progress.tokens


class Direct:
    """vLLM's AsyncLLM in this process, with the arguments and environment that ours gives it, and nothing around it."""

    def __init__(self, engine: Any, template: str) -> None:
        self._engine, self._template = engine, template
        self._tokenizer = engine.get_tokenizer()
        self._requests = 0

    @classmethod
    @asynccontextmanager
    async def loaded(cls, model: str) -> AsyncIterator[Arm]:
        os.environ.update(worker_env() | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": str(CORES)})
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        spec = _spec(model)
        engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_arguments(spec)))
        yield cls(engine, spec.chat_template)
        engine.shutdown()

    async def hold(self, chats: list[Chat], way: str) -> int:
        histories: list[Messages] = [[] for _ in chats]
        if way == "flow":
            return sum(await asyncio.gather(*map(self._both, chats, histories)))
        turns = [await asyncio.gather(*map(self._turn, chats, histories, [turn] * len(chats))) for turn in (0, 1)]
        return sum(map(sum, turns))

    async def _both(self, chat: Chat, history: Messages) -> int:
        return await self._turn(chat, history, 0) + await self._turn(chat, history, 1)

    async def _turn(self, chat: Chat, history: Messages, turn: int) -> int:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        history.append({"role": "user", "content": chat.turns[turn]})
        prompt = self._tokenizer.apply_chat_template(
            history, chat_template=self._template, add_generation_prompt=True, tokenize=False
        )
        ids = self._tokenizer.encode(prompt, add_special_tokens=False)
        parameters = SamplingParams(
            temperature=0.0,
            max_tokens=chat.max_tokens[turn],
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        self._requests += 1
        async for output in self._engine.generate(
            {"prompt_token_ids": ids}, parameters, request_id=str(self._requests)
        ):
            reply = output.outputs[0]
        history.append({"role": "assistant", "content": reply.text})
        return len(reply.token_ids)


class Transformers:
    """One prompt at a time, as FastChat's gen_model_answer does it."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer

    @classmethod
    @asynccontextmanager
    async def loaded(cls, model: str) -> AsyncIterator[Arm]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        yield cls(
            AutoModelForCausalLM.from_pretrained(model, dtype=cpu_dtype()).eval(), AutoTokenizer.from_pretrained(model)
        )

    async def hold(self, chats: list[Chat], way: str) -> int:
        import torch

        tokens = 0
        for chat in chats:
            history: Messages = []
            for question, limit in chat.limits:
                history.append({"role": "user", "content": question})
                inputs = self._tokenizer.apply_chat_template(
                    history, add_generation_prompt=True, return_tensors="pt", return_dict=True
                )
                with torch.inference_mode():
                    output = self._model.generate(**inputs, do_sample=False, max_new_tokens=limit)
                reply = output[0, inputs["input_ids"].shape[1] :]
                history.append(
                    {"role": "assistant", "content": self._tokenizer.decode(reply, skip_special_tokens=True)}
                )
                tokens += len(reply)
        return tokens


ARMS: dict[str, Any] = {"ours": Ours, "direct": Direct, "transformers": Transformers}


def _spec(model: str) -> VllmSpec:
    weights = resolve_weights(model)
    return VllmSpec(weights.path, None, weights.chat_template, engine_args=ENGINE)


async def serve(name: str, model: str) -> None:
    """Load, then hold chats as lines on stdin say."""
    async with ARMS[name].loaded(model) as arm:
        await arm.hold([Chat(["안녕하세요?", "고맙습니다."], [8, 8])], "flow")  # what a first step compiles
        _say({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            chats = [Chat(**chat) for chat in order["chats"]]
            began = time.perf_counter()
            tokens = await arm.hold(chats, order["way"])
            _say({"seconds": time.perf_counter() - began, "tokens": tokens})


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), file=_STDOUT, flush=True)


if __name__ == "__main__":
    _STDOUT = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    asyncio.run(serve(*sys.argv[1:3]))
