"""vLLM's CPU platform with a name for its devices in Ray, which the Ray executor asks for."""

from vllm.platforms.cpu import CpuPlatform


class RayCpuPlatform(CpuPlatform):
    ray_device_key = "GPU"
