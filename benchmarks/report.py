"""What all benchmarks say alike: whether a bar holds, and what they ran on."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any


def holds(value: float, bar: str) -> bool:
    """Whether `value` is on the right side of a bar such as ">=0.97"."""
    return value >= float(bar[2:]) if bar.startswith(">=") else value <= float(bar[2:])


def machine(*packages: str) -> dict[str, Any]:
    """The processor, its load, and the versions of Python and of the installed ones among `packages`."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    installed = {each.metadata["Name"] for each in importlib.metadata.distributions()}
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages if name in installed},
        "load_1m_at_start": os.getloadavg()[0],
    }
