"""Plugins for vLLM on CPU, for tests only: its Ray executor on fake GPUs, and pipeline stages.

A folder on PYTHONPATH is enough: vLLM finds the entry points in the .dist-info beside this package.
"""


def platform() -> str:
    """vllm.platform_plugins: the class to use as platform."""
    return "ray_cpu.platform.RayCpuPlatform"


def pipeline() -> None:
    """vllm.general_plugins: make room for what a pipeline stage receives.

    On CUDA the profiling run does that, which an eager engine on CPU leaves out; its second stage then dies at once.
    """
    from typing import Any

    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    original = GPUModelRunner.sync_and_gather_intermediate_tensors
    if original.__module__ == __name__:
        return

    def sync(self: Any, num_tokens: int, intermediate_tensors: Any, sync_self: bool) -> Any:
        if self.intermediate_tensors is None:
            self.intermediate_tensors = self.model.make_empty_intermediate_tensors(
                batch_size=self.max_num_tokens, dtype=self.model_config.dtype, device=self.device
            )
        return original(self, num_tokens, intermediate_tensors, sync_self)

    sync.__module__ = __name__
    GPUModelRunner.sync_and_gather_intermediate_tensors = sync
