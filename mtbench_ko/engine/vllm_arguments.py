"""What vLLM is asked to load, and with which arguments. CPU and CUDA differ here only."""

from dataclasses import dataclass, field, fields
from typing import Any

CPU_DEFAULTS: dict[str, Any] = {
    "enforce_eager": True,  # torch.compile doubles the start and did not decode faster on 2 cores
    "block_size": 32,  # the CPU default of 128 leaves short prompts out of the prefix cache
    "kv_cache_memory_bytes": 1 << 30,
    "max_model_len": -1,  # the model's own, or as much of it as that memory holds
    "max_num_seqs": 64,
    # A request with a seed whose prompt is split over steps kills vLLM's engine on CPU (`seeds_are_safe`).
    "enable_chunked_prefill": False,
}
_BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # x86, x86, Arm


@dataclass(frozen=True)
class VllmSpec:
    """What to load.

    Attributes:
        chat_template, chat_template_kwargs: the Jinja text, and what it is given beside the messages.
        nodes: how many nodes a replica lies on; with more than one, vLLM's Ray executor runs its workers.
        lora_path: folder of a LoRA adapter that every request uses.
        engine_args: fields of vLLM's AsyncEngineArgs; they win over our defaults.
    """

    path: str
    revision: str | None
    chat_template: str
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    nodes: int = 1
    max_gpu_memory: str | None = None
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)
    lora_path: str | None = None
    trust_remote_code: bool = False
    engine_args: dict[str, Any] = field(default_factory=dict)


def unknown_arguments(spec: VllmSpec) -> list[str]:
    """Names among `engine_args` that this vLLM does not have."""
    from vllm import AsyncEngineArgs

    return sorted(set(spec.engine_args) - {field.name for field in fields(AsyncEngineArgs)})


def engine_arguments(spec: VllmSpec) -> dict[str, Any]:
    """The arguments of AsyncEngineArgs for `spec` on this machine."""
    from vllm.config import StructuredOutputsConfig
    from vllm.platforms import current_platform

    arguments: dict[str, Any] = {
        "model": spec.path,
        "revision": spec.revision,
        "tokenizer_revision": spec.revision,
        "trust_remote_code": spec.trust_remote_code,
        "tensor_parallel_size": spec.tensor_parallel_size,
        "pipeline_parallel_size": spec.pipeline_parallel_size,
        "enable_prefix_caching": True,
        "disable_log_stats": True,  # vLLM's own; ours counts all the same
        # Free whitespace between JSON fields is where weak judges loop until their tokens are gone.
        "structured_outputs_config": StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True),
    }
    if spec.nodes > 1:
        arguments["distributed_executor_backend"] = "ray"
    elif spec.tensor_parallel_size * spec.pipeline_parallel_size > 1:
        arguments["distributed_executor_backend"] = "mp"
    if spec.lora_path:
        arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": _lora_rank(spec.lora_path)}
    if current_platform.is_cpu():
        arguments |= CPU_DEFAULTS | {"dtype": cpu_dtype()}
    arguments |= spec.engine_args
    if spec.max_gpu_memory and not current_platform.is_cpu():
        total = current_platform.get_device_total_memory()
        arguments["gpu_memory_utilization"] = memory_share(spec.max_gpu_memory, total)
    return arguments


def seeds_are_safe(config: Any) -> bool:
    """Whether an engine with this VllmConfig survives requests with a seed.

    vLLM's runner rewinds the generator of a request whose prompt is split over steps, and a CPU generator cannot be
    rewound: the engine dies with "CPU Generator does not use offset" (seen in 0.32).
    """
    from vllm.platforms import current_platform

    return not (current_platform.is_cpu() and config.scheduler_config.enable_chunked_prefill)


def memory_share(wanted: str, total: int) -> float:
    """What `wanted`, a share ("0.9") or an amount ("40GiB"), is of `total` bytes; at most 1."""
    amount = wanted.removesuffix("GiB")
    return float(wanted) if amount == wanted else min(1.0, int(amount) * 2**30 / total)


def _lora_rank(folder: str) -> int:
    """The rank that vLLM must make room for: the adapter's, as one of those that vLLM takes."""
    import json
    from pathlib import Path

    rank = int(json.loads((Path(folder) / "adapter_config.json").read_text(encoding="utf-8"))["r"])
    return next((size for size in (8, 16, 32, 64, 128, 256, 320) if size >= rank), 512)


def cpu_dtype() -> str:
    """The model's own dtype where the CPU computes in bfloat16, else float32: emulation is several times slower.

    On an AMD EPYC without such instructions, a step of 24 sequences of Gemma 3 270M took 1177 ms against 264 ms.
    """
    import torch

    capabilities = torch.cpu.get_capabilities()
    return "auto" if any(capabilities.get(name) for name in _BF16_INSTRUCTIONS) else "float32"
