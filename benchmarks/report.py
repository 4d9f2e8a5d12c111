"""What benchmarks say alike: whether a bar holds, what they ran on, and their report in a table and in a file."""

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

from rich.table import Table


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


def ratios_table(report: dict[str, Any]) -> Table:
    """The "ratios" of a report with their "bars" and "verdicts"."""
    table = Table("ratio", "value", "bar", "verdict")
    for name, value in report["ratios"].items():
        table.add_row(name, f"{value:.3f}", report["bars"].get(name, ""), report["verdicts"].get(name, ""))
    return table


def hand_in(report: dict[str, Any], file: Path | None) -> int:
    """Write the report, and return the exit code."""
    if file:
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if report["ok"] else 1
