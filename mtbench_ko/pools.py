"""The engines that the settings ask for: vLLM for local weights, clients for an endpoint."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mtbench_ko.config import RunConfig
from mtbench_ko.engine import (
    BatchEngine,
    Book,
    EndpointSpec,
    Pool,
    ReplicaPool,
    Replicas,
    Throttle,
    VllmSpec,
    Weights,
    endpoint_pool,
    vllm_pool,
)
from mtbench_ko.judge import Judge
from mtbench_ko.plan import Contestant


class Pools:
    """Makes pools, not started yet."""

    def __init__(
        self,
        config: RunConfig,
        judge: Judge | None,
        judge_weights: Weights | None,
        keys: Mapping[str, str],
        batches: Book,
        say: Callable[[str], None],
    ) -> None:
        """`keys` are the API keys of the "model" and of the "judge". With --judge-batch the judge's `batches` are kept,
        and `say` is told of them."""
        self._config = config
        self._judge = judge
        self._judge_weights = judge_weights
        self._keys = keys
        self._batches, self._say = batches, say

    def for_model(self, contestant: Contestant, replicas: Replicas) -> ReplicaPool:
        """The engine of a model under test."""
        config, entry = self._config, contestant.entry
        if contestant.weights is None or entry is None:
            assert config.model is not None
            return self._endpoint(config.model, config.openai_api_base, self._keys["model"], config.parallel)
        spec = replace(
            _spec(contestant.weights, replicas, entry.engine_args),
            max_gpu_memory=entry.max_gpu_memory,
            chat_template_kwargs=entry.chat_template_kwargs,
            lora_path=entry.lora_path,
            trust_remote_code=entry.trust_remote_code,
        )
        return vllm_pool(spec, replicas)

    def for_judge(self, replicas: Replicas | None) -> Pool:
        """The engine of the judge: `replicas` of local weights, or its endpoint."""
        assert self._judge is not None
        config, name, key = self._config, self._judge.name, self._keys["judge"]
        if config.judge_batch:
            return BatchEngine(self._spec_of(name, config.judge_api_base, key, 1), self._batches, self._say)
        if self._judge_weights is None:
            return self._endpoint(name, config.judge_api_base, key, config.judge_parallel)
        assert replicas is not None
        return vllm_pool(_spec(self._judge_weights, replicas, config.judge_engine_arg), replicas)

    def _endpoint(self, model: str, base_url: str | None, key: str, parallel: int) -> ReplicaPool:
        spec = self._spec_of(model, base_url, key, parallel)
        return endpoint_pool(spec, Throttle(parallel, self._config.rpm, self._config.tpm))

    def _spec_of(self, model: str, base_url: str | None, key: str, parallel: int) -> EndpointSpec:
        return EndpointSpec(model, base_url, key, connections=parallel, timeout=self._config.request_timeout)


def _spec(weights: Weights, shape: Replicas, arguments: dict[str, Any]) -> VllmSpec:
    return VllmSpec(
        path=weights.path,
        revision=weights.revision,
        chat_template=weights.chat_template,
        tensor_parallel_size=shape.tensor_parallel_size,
        pipeline_parallel_size=shape.pipeline_parallel_size,
        engine_args=arguments,
    )
