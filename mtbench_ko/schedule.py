"""Which engine runs when: the models one after the other, the judge beside, with or after them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mtbench_ko.config import RunConfig
from mtbench_ko.engine import (
    EndpointSpec,
    ReplicaPool,
    Replicas,
    Throttle,
    VllmSpec,
    Weights,
    endpoint_pool,
    vllm_pool,
)
from mtbench_ko.generate import Conversation
from mtbench_ko.judge import Judge
from mtbench_ko.pipeline import Pipeline
from mtbench_ko.plan import Contestant, Plan
from mtbench_ko.progress import RunProgress


class Schedule:
    """Runs the engines of a `plan`. What each has done is put into `engines`, for the manifest."""

    def __init__(
        self,
        config: RunConfig,
        plan: Plan,
        judge: Judge | None,
        judge_weights: Weights | None,
        keys: Mapping[str, str],
        engines: dict[str, Any],
    ) -> None:
        """`keys` are the API keys of the "model" and of the "judge"."""
        self._config = config
        self._plan = plan
        self._judge = judge
        self._judge_weights = judge_weights
        self._keys = keys
        self._engines = engines

    async def run(
        self,
        pipeline: Pipeline,
        owed: dict[Contestant, list[Conversation]],
        progress: RunProgress,
        group: asyncio.TaskGroup,
    ) -> None:
        """Have the engines do what is owed; the judge's tasks live in `group`."""
        judge: asyncio.Task[ReplicaPool] | None = None
        if self._plan.judge in ("endpoint", "beside"):
            judge = group.create_task(self._start_judge(pipeline))
        for contestant, talks in owed.items():
            shared = self._plan.judge == "shared" and contestant.shares(self._judge_weights)
            if pipeline.stopping or not (talks or (shared and pipeline.judgments_waiting)):
                continue
            pool = self._model_pool(contestant)
            progress.say(f"loading {contestant.subject.model_id}")
            await pool.start()
            progress.say(f"{contestant.subject.model_id} is ready")
            progress.restart_clock()
            served = self._engines[contestant.subject.model_id] = {"replicas": pool.describe()}
            ready, tokens = time.monotonic(), progress.tokens
            if shared:
                pipeline.judge_with(pool)
            await pipeline.answer(talks, pool)
            if shared:
                await pipeline.judged()
            served["seconds"] = round(time.monotonic() - ready, 1)
            served["tokens"] = progress.tokens - tokens
            await pool.stop()
        if self._plan.judge == "after" and pipeline.judgments_waiting and not pipeline.stopping:
            progress.say(f"loading the judge {self._config.judge_name}")
            judge = group.create_task(self._start_judge(pipeline))
        if judge:
            pool = await judge
            await pipeline.judged()
            await pool.stop()

    async def _start_judge(self, pipeline: Pipeline) -> ReplicaPool:
        assert self._judge is not None
        if self._judge_weights:
            assert self._plan.judge_replicas is not None
            shape = self._plan.judge_replicas
            pool = vllm_pool(_spec(self._judge_weights, shape, self._config.judge_engine_arg), shape)
        else:
            pool = self._endpoint(
                self._judge.name, self._config.judge_api_base, self._keys["judge"], self._config.judge_parallel
            )
        await pool.start()
        self._engines[f"judge:{self._judge.name}"] = {"replicas": pool.describe()}
        pipeline.judge_with(pool)
        return pool

    def _model_pool(self, contestant: Contestant) -> ReplicaPool:
        config = self._config
        if contestant.weights is None:
            assert config.model is not None
            return self._endpoint(config.model, config.openai_api_base, self._keys["model"], config.parallel)
        assert self._plan.models is not None
        arguments = dict(config.engine_arg)
        if config.dtype:
            arguments["dtype"] = config.dtype
        spec = _spec(contestant.weights, self._plan.models, arguments)
        return vllm_pool(replace(spec, max_gpu_memory=config.max_gpu_memory), self._plan.models)

    def _endpoint(self, model: str, base_url: str | None, key: str, parallel: int) -> ReplicaPool:
        spec = EndpointSpec(model, base_url, key, connections=parallel, timeout=self._config.request_timeout)
        return endpoint_pool(spec, Throttle(parallel, self._config.rpm, self._config.tpm))


def _spec(weights: Weights, shape: Replicas, arguments: dict[str, Any]) -> VllmSpec:
    return VllmSpec(
        path=weights.path,
        revision=weights.revision,
        chat_template=weights.chat_template,
        tensor_parallel_size=shape.tensor_parallel_size,
        pipeline_parallel_size=shape.pipeline_parallel_size,
        engine_args=arguments,
    )
