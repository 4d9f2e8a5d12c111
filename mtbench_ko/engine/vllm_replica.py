"""One replica of a model: vLLM's AsyncLLM inside a Ray actor. CPU and CUDA differ in engine arguments only."""

import asyncio
import itertools
import os
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mtbench_ko.engine.base import Completion, Failure, Messages, ReplicaInfo, Sampling
from mtbench_ko.engine.thinking import OPEN, split_thinking

CPU_DEFAULTS: dict[str, Any] = {
    "enforce_eager": True,  # torch.compile doubles the start and did not decode faster on 2 cores
    "block_size": 32,  # the CPU default of 128 leaves short prompts out of the prefix cache
    "kv_cache_memory_bytes": 1 << 30,
    "max_num_seqs": 64,
}


_BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # x86, x86, Arm


@dataclass(frozen=True)
class VllmSpec:
    """What to load. `engine_args` are fields of vLLM's AsyncEngineArgs and win over our defaults."""

    path: str
    revision: str | None
    chat_template: str
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    max_gpu_memory: str | None = None
    engine_args: dict[str, Any] = field(default_factory=dict)


class VllmReplica:
    """Ray actor class; its async methods run beside each other, vLLM batches what is in flight."""

    def __init__(self, spec: VllmSpec) -> None:
        self._spec = spec
        self._ids = itertools.count()

    async def start(self) -> ReplicaInfo | Failure:
        """Load the weights. A failure here is the run's: no other replica would fare better."""
        began = time.monotonic()
        if unknown := await asyncio.to_thread(self._unknown_arguments):
            return Failure("usage", f"vLLM has no engine argument {', '.join(unknown)} (--engine-arg)", scope="run")
        try:
            self._build()
        except Exception as error:  # vLLM raises whatever its parts raise; all of it means "cannot load"
            return Failure("engine_start", f"{type(error).__name__}: {error}\n{_log_tail()}", scope="run")
        import ray
        import vllm

        config = self._engine.model_config
        return ReplicaInfo(
            engine=f"vllm {vllm.__version__}",
            model=self._spec.path,
            node=ray.get_runtime_context().get_node_id(),
            pid=os.getpid(),
            seconds_to_start=round(time.monotonic() - began, 1),
            details={
                "dtype": str(config.dtype).removeprefix("torch."),
                "max_model_len": config.max_model_len,
                "quantization": config.quantization,
                "tensor_parallel_size": self._spec.tensor_parallel_size,
                "pipeline_parallel_size": self._spec.pipeline_parallel_size,
            },
        )

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion | Failure:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            prompt = self._render(messages)
        except Exception as error:  # Jinja's errors and those that templates raise themselves
            return Failure("chat_template", f"{type(error).__name__}: {error}", final=True)
        ids = self._tokenizer.encode(prompt, add_special_tokens=False)
        room = self._engine.model_config.max_model_len - len(ids)
        if room < 1:
            return Failure(
                "context_overflow",
                f"{len(ids)} prompt tokens, and the model takes {self._engine.model_config.max_model_len}",
                final=True,
            )
        try:
            output = await self._generate(ids, sampling, schema)
        except EngineDeadError as error:
            return Failure("engine_died", str(error), scope="replica")
        except Exception as error:  # vLLM's own errors have no common base; the engine lives on
            return Failure("engine_error", f"{type(error).__name__}: {error}")
        result = output.outputs[0]
        if result.finish_reason not in ("stop", "length"):
            return Failure("engine_error", f"generation ended with finish reason {result.finish_reason!r}")
        # A constrained reply begins with its JSON, whatever block the template opened.
        opened = schema is None and prompt.rstrip().endswith(OPEN)
        text, reasoning = self._split(result.text, messages, opened)
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason=result.finish_reason,
            prompt_tokens=len(ids),
            completion_tokens=len(result.token_ids),
            messages=messages,
            sampling=asdict(sampling) | {"top_k": 0},
            model=self._spec.path,
            structured=schema is not None,
        )

    async def stop(self) -> None:
        """Stop the engine and wait until its processes have ended and freed their memory."""
        await asyncio.to_thread(self._engine.shutdown)

    def _unknown_arguments(self) -> list[str]:
        from vllm import AsyncEngineArgs

        return sorted(set(self._spec.engine_args) - {field.name for field in fields(AsyncEngineArgs)})

    def _build(self) -> None:
        from vllm import AsyncEngineArgs
        from vllm.config import StructuredOutputsConfig
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        defaults = CPU_DEFAULTS | {"dtype": _cpu_dtype()} if current_platform.is_cpu() else {}
        arguments = {
            "model": self._spec.path,
            "revision": self._spec.revision,
            "tokenizer_revision": self._spec.revision,
            "tensor_parallel_size": self._spec.tensor_parallel_size,
            "pipeline_parallel_size": self._spec.pipeline_parallel_size,
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            # Free whitespace between JSON fields is where weak judges loop until their tokens are gone.
            "structured_outputs_config": StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True),
            **defaults,
            **self._spec.engine_args,
        }
        if self._spec.max_gpu_memory and not current_platform.is_cpu():
            total = current_platform.get_device_total_memory()
            arguments["gpu_memory_utilization"] = memory_share(self._spec.max_gpu_memory, total)
        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        self._tokenizer = self._engine.get_tokenizer()
        self._parser = None
        if name := arguments.get("reasoning_parser"):
            from vllm.reasoning import ReasoningParserManager

            self._parser = ReasoningParserManager.get_reasoning_parser(name)(self._tokenizer)

    def _render(self, messages: Messages) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages, chat_template=self._spec.chat_template, add_generation_prompt=True, tokenize=False
            )
        )

    async def _generate(self, ids: list[int], sampling: Sampling, schema: dict[str, Any] | None) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=0,
            repetition_penalty=sampling.repetition_penalty,
            max_tokens=sampling.max_tokens,
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=StructuredOutputsParams(json=_bounded(schema, sampling)) if schema else None,
            skip_special_tokens=self._parser is None,  # parsers look for special tokens in the text
        )
        request_id = f"{os.getpid()}-{next(self._ids)}"
        final = None
        async for output in self._engine.generate({"prompt_token_ids": ids}, params, request_id=request_id):
            final = output
        if final is None:
            raise ValueError("the engine ended the request without output")
        return final

    def _split(self, text: str, messages: Messages, opened: bool) -> tuple[str, str | None]:
        if self._parser is None:
            return split_thinking(text, opened_by_prompt=opened)
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        request = ChatCompletionRequest(model=self._spec.path, messages=messages)
        reasoning, answer = self._parser.extract_reasoning(text, request)
        return answer or "", reasoning


def memory_share(wanted: str, total: int) -> float:
    """What `wanted`, a share ("0.9") or an amount ("40GiB"), is of `total` bytes; at most 1."""
    amount = wanted.removesuffix("GiB")
    return float(wanted) if amount == wanted else min(1.0, int(amount) * 2**30 / total)


def _bounded(schema: dict[str, Any], sampling: Sampling) -> dict[str, Any]:
    """`schema` with its strings kept to a third of the tokens as characters, so that the object is completed.

    Hosted APIs refuse `maxLength`; xgrammar obeys it.
    """
    bound = {"maxLength": max(40, sampling.max_tokens // 3)}
    properties = {
        name: field | bound if field["type"] == "string" else field for name, field in schema["properties"].items()
    }
    return schema | {"properties": properties}


def _cpu_dtype() -> str:
    """The model's own dtype where the CPU computes in bfloat16, else float32: emulation is several times slower."""
    import torch

    capabilities = torch.cpu.get_capabilities()
    return "auto" if any(capabilities.get(name) for name in _BF16_INSTRUCTIONS) else "float32"


def _log_tail(lines: int = 25) -> str:
    """The end of this actor's log, where the engine's processes have written what went wrong."""
    try:
        return "".join(Path("/proc/self/fd/2").resolve().open(errors="replace").readlines()[-lines:])
    except OSError:
        return ""
