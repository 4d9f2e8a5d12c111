"""One replica of a model: vLLM's AsyncLLM inside a Ray actor."""

import asyncio
import itertools
import os
import time
from pathlib import Path
from typing import Any

from mtbench_ko.engine.base import Completion, Counters, Failure, Messages, ReplicaInfo, Sampling
from mtbench_ko.engine.gpu_memory import wait_for_groups_memory, wait_for_memory
from mtbench_ko.engine.mailbox import Call, Finished, Inbox
from mtbench_ko.engine.thinking import OPEN, split_thinking
from mtbench_ko.engine.vllm_arguments import VllmSpec, engine_arguments, seeds_are_safe, unknown_arguments
from mtbench_ko.engine.vllm_counters import StepCounters

_LAST_WORDS_SECONDS = 3  # the engine's processes may still be writing why they died


class VllmReplica:
    """Ray actor class; its async methods run beside each other, vLLM batches what is in flight."""

    def __init__(self, spec: VllmSpec) -> None:
        self._spec = spec
        self._ids = itertools.count()
        self._inbox = Inbox(self.complete)
        self._counters = StepCounters(Path(spec.path).name)
        self._engine: Any = None

    async def start(self) -> ReplicaInfo | Failure:
        """Load the weights. A failure here is the model's: vLLM raises whatever its parts raise."""
        began = time.monotonic()
        if unknown := await asyncio.to_thread(unknown_arguments, self._spec):
            return Failure("usage", f"vLLM has no engine argument {', '.join(unknown)} (--engine-arg)", scope="model")
        try:
            await self._build()
        except Exception as error:
            await asyncio.sleep(_LAST_WORDS_SECONDS)
            return Failure("engine_start", f"{type(error).__name__}: {error}\n{_log_tail()}", scope="model")
        import ray
        import vllm

        config = self._engine.model_config
        return ReplicaInfo(
            engine=f"vllm {vllm.__version__}",
            model=self._spec.path,
            node=ray.get_runtime_context().get_node_id(),
            pid=os.getpid(),
            seconds_to_start=round(time.monotonic() - began, 1),
            slots=self._engine.vllm_config.scheduler_config.max_num_seqs,
            details={
                "dtype": str(config.dtype).removeprefix("torch."),
                "max_model_len": config.max_model_len,
                "quantization": config.quantization,
                "tensor_parallel_size": self._spec.tensor_parallel_size,
                "pipeline_parallel_size": self._spec.pipeline_parallel_size,
                "nodes": self._spec.nodes,
                "lora": self._spec.lora_path,
                "sends_seeds": self._seeds,
            },
        )

    async def put(self, calls: dict[int, Call]) -> None:
        self._inbox.put(calls)

    async def take(self) -> Finished:
        return await self._inbox.take()

    async def counters(self) -> Counters | Failure:
        """What the engine has done; a failure once it is dead."""
        if self._engine.errored:
            return Failure("engine_died", "EngineCore is dead", scope="replica")
        return self._counters.read()

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion | Failure:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            prompt = self._render(messages)
        except Exception as error:  # Jinja's errors and those that templates raise themselves
            return Failure("chat_template", f"{type(error).__name__}: {error}", final=True)
        ids = self._tokenizer.encode(prompt, add_special_tokens=False)
        longest = self._engine.model_config.max_model_len
        if len(ids) >= longest:
            return Failure("context_overflow", f"{len(ids)} prompt tokens, and the model takes {longest}", final=True)
        try:
            output = await self._generate(ids, sampling, schema)
        except EngineDeadError as error:
            return Failure("engine_died", str(error), scope="replica")
        except Exception as error:  # vLLM's own errors have no common base; the engine lives on
            return Failure("engine_error", f"{type(error).__name__}: {error}")
        result = output.outputs[0]
        if result.finish_reason == "abort":  # not by us: the engine is told to end, as on a node that is preempted
            return Failure("stopped", "the engine ended the request unfinished", scope="replica")
        if result.finish_reason not in ("stop", "length"):
            return Failure("engine_error", f"generation ended with finish reason {result.finish_reason!r}")
        # A constrained reply begins with its JSON, whatever block the template opened.
        opened = schema is None and prompt.rstrip().endswith(OPEN)
        text, reasoning = self._split(result.text, messages, opened)
        sent = sampling.describe() | {"top_k": 0}
        if not self._seeds:
            sent.pop("seed", None)
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason=result.finish_reason,
            prompt_tokens=len(ids),
            completion_tokens=len(result.token_ids),
            sampling=sent,
            model=self._spec.path,
            structured=schema is not None,
        )

    async def stop(self) -> None:
        """Stop the engine and wait until its processes have ended and freed their memory."""
        await asyncio.to_thread(self._engine.shutdown)

    async def _build(self) -> None:
        import ray
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        arguments = await asyncio.to_thread(engine_arguments, self._spec)
        share = arguments.get("gpu_memory_utilization")
        if self._spec.nodes > 1:
            await wait_for_groups_memory(share)
            # Else its core, a process of its own, may start a Ray of its own.
            os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
        else:
            await wait_for_memory(ray.get_gpu_ids(), share)
        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments), stat_loggers=[self._counters.attach])
        self._seeds = seeds_are_safe(self._engine.vllm_config)
        self._tokenizer = self._engine.get_tokenizer()
        self._lora = self._adapter()
        self._parser = None
        if name := arguments.get("reasoning_parser"):
            from vllm.reasoning import ReasoningParserManager

            self._parser = ReasoningParserManager.get_reasoning_parser(name)(self._tokenizer)

    def _adapter(self) -> Any:
        from vllm.lora.request import LoRARequest

        return LoRARequest("adapter", 1, self._spec.lora_path) if self._spec.lora_path else None

    def _render(self, messages: Messages) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages,
                chat_template=self._spec.chat_template,
                add_generation_prompt=True,
                tokenize=False,
                **self._spec.chat_template_kwargs,
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
            seed=sampling.seed if self._seeds else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=StructuredOutputsParams(json=_bounded(schema, sampling)) if schema else None,
            skip_special_tokens=self._parser is None,  # parsers look for special tokens in the text
        )
        final = None
        async for output in self._engine.generate(
            {"prompt_token_ids": ids},
            params,
            request_id=f"{os.getpid()}-{next(self._ids)}",
            lora_request=self._lora,
        ):
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


def _bounded(schema: dict[str, Any], sampling: Sampling) -> dict[str, Any]:
    """`schema` with its strings kept to a third of the tokens as characters, so that the object is completed.

    Hosted APIs refuse `maxLength`; xgrammar obeys it.
    """
    bound = {"maxLength": max(40, sampling.max_tokens // 3)}
    properties = {
        name: field | bound if field["type"] == "string" else field for name, field in schema["properties"].items()
    }
    return schema | {"properties": properties}


def _log_tail(lines: int = 25) -> str:
    """The end of this actor's log, where the engine's processes have written what went wrong."""
    try:
        return "".join(Path("/proc/self/fd/2").resolve().open(errors="replace").readlines()[-lines:])
    except OSError:
        return ""
