"""What benchmarks say alike: whether a bar holds, what they ran on, and their report in a table and in a file."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping
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


def assess(
    ratios: Mapping[str, float],
    bars: Mapping[str, str],
    about: Mapping[str, Any],
    noise: Mapping[str, float] | None = None,
    **raw: Any,
) -> dict[str, Any]:
    """A benchmark's report: its ratios, whether their bars hold, and what else was measured.

    `about` is the machine. `noise` says, of ratios that were measured with a control, by how much chance moves them: a
    bar that is met or missed by less is "not resolvable here".
    """
    noise = noise or {}
    held = {name: holds(ratios[name], bar) for name, bar in bars.items()}
    verdicts = {
        name: "not resolvable here"
        if abs(ratios[name] - float(bar[2:])) < noise.get(name, 0.0)
        else ("passed" if held[name] else "MISSED")
        for name, bar in bars.items()
    }
    return {
        "ratios": ratios, "bars": bars, "noise": noise, "ok": all(held.values()), "verdicts": verdicts,
        "machine": about, **raw,
    }  # fmt: skip


def ratios_table(report: dict[str, Any], title: str | None = None) -> Table:
    """The "ratios" of a report with their "noise", "bars" and "verdicts"."""
    table = Table("ratio", "value", "noise", "bar", "verdict", title=title)
    for row in ratio_rows(report):
        table.add_row(*row)
    return table


def ratio_rows(report: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, value, noise, bar and verdict of every ratio, as text."""
    for name, value in report["ratios"].items():
        noise = report["noise"].get(name)
        yield (
            name,
            f"{value:.3f}",
            "" if noise is None else f"± {noise:.3f}",
            report["bars"].get(name, ""),
            report["verdicts"].get(name, ""),
        )


def hand_in(report: dict[str, Any], file: Path | None) -> int:
    """Write the report, and return the exit code."""
    if file:
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if report["ok"] else 1
