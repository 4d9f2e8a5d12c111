"""The engines that the settings ask for: vLLM for local weights, clients for an endpoint."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mtbench_ko.config import EndpointSettings, RunConfig
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
from mtbench_ko.job.plan import Contestant, Panelist


class Pools:
    """Makes pools, not started yet."""

    def __init__(
        self,
        config: RunConfig,
        model_key: str,
        judge_keys: Mapping[str, str],
        batches: Book,
        say: Callable[[str], None],
    ) -> None:
        """`model_key` is the API key of --model, `judge_keys` are those of the judges, by name. With --judge-batch the
        judges' `batches` are kept, and `say` is told of them."""
        self._config = config
        self._model_key = model_key
        self._judge_keys = judge_keys
        self._batches, self._say = batches, say

    def for_model(self, contestant: Contestant, replicas: Replicas) -> ReplicaPool:
        """The engine of a model under test."""
        config, entry = self._config, contestant.entry
        if contestant.weights is None or entry is None:
            assert config.model is not None
            endpoint = EndpointSpec(
                config.model, config.openai_api_base, self._model_key, config.parallel, timeout=config.request_timeout
            )
            return _endpoint(config, endpoint)
        spec = replace(
            _spec(contestant.weights, replicas, entry.engine_args),
            max_gpu_memory=entry.max_gpu_memory,
            chat_template_kwargs=entry.chat_template_kwargs,
            lora_path=entry.lora_path,
            trust_remote_code=entry.trust_remote_code,
        )
        return vllm_pool(spec, replicas)

    def for_judge(self, panelist: Panelist, replicas: Replicas | None) -> Pool:
        """The engine of a judge: `replicas` of local weights, or its endpoint."""
        entry = panelist.entry
        if panelist.weights is None:
            spec = EndpointSpec(
                panelist.name,
                entry.judge_api_base,
                self._judge_keys[panelist.name],
                entry.judge_parallel,
                timeout=entry.request_timeout,
                api_version=entry.judge_api_version,
            )
            return BatchEngine(spec, self._batches, self._say) if entry.judge_batch else _endpoint(entry, spec)
        assert replicas is not None
        return vllm_pool(_spec(panelist.weights, replicas, entry.judge_engine_arg), replicas)


def _endpoint(settings: EndpointSettings, spec: EndpointSpec) -> ReplicaPool:
    return endpoint_pool(spec, Throttle(spec.connections, settings.rpm, settings.tpm))


def _spec(weights: Weights, shape: Replicas, arguments: dict[str, Any]) -> VllmSpec:
    return VllmSpec(
        path=weights.path,
        revision=weights.revision,
        chat_template=weights.chat_template,
        tensor_parallel_size=shape.tensor_parallel_size,
        pipeline_parallel_size=shape.pipeline_parallel_size,
        engine_args=arguments,
    )
