"""How close the judge pool comes to the rate that the calls in flight allow, and how FastChat's way does beside it.

    python benchmarks/judge_pool.py [--quick] [--json FILE]

Both arms put the same prompts (about 3 KB of Korean, no two alike) to the same mock endpoint (mock_api.py), which
answers after 2 s ± 10 %, and both through the same version of OpenAI's SDK:

- ours (pool_way.py): `endpoint_pool` in a Ray cluster of its own, one event loop, as many calls in flight as allowed;
- FastChat's (fastchat_way.py): a thread for each call in flight, a synchronous client, and after any error a pause
  of 10 s, up to 16 tries.

Why that is fair. Every measurement has a fresh process and a fresh server. The server draws latencies and faults from
one seed, so that call n takes equally long and meets the same fault in every arm. Starting (Ray, imports, the client,
one call to warm up) is timed in neither arm; connections are opened within the time, in both. The arms alternate, and
Ray runs only while ours is measured. FastChat's arm is kinder than the original, which makes a client for every call.

The ratios, all to the ideal of calls in flight / latency:

- achieved_N, fastchat_N: completions a second, at N in flight, without faults. The ideal is for the latency that was
  asked of the server; not even a client that costs nothing reaches it, since the last calls do not end all at once:
  the table shows what such a client would reach with the same latencies ("free client").
- faults_50, fastchat_faults_50: 5 % of calls fail (429 with Retry-After, 500, a broken body, a reset connection, in
  equal parts). The ideal counts what the server has worked: served seconds / calls in flight. An item of ours without
  a completion fails the benchmark.
- rpm_rate: completions a second to the 20 that a server with 1200 requests a minute allows; rpm_429_share: the share
  of calls that it refused all the same.
- vs_fastchat_*: our completions a second to FastChat's.

The full run takes medians over rounds. Its noise is the range of all measurements of ours at 50 in flight, of which
each round makes two; a count (rpm_429_share) has none. `--quick` is one round of fewer calls and has none.
"""

import argparse
import heapq
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from mock_api import Behaviour
from report import assess, hand_in, machine
from rich.console import Console
from rich.table import Table
from workload import Outcome, mock_server, run_arm

LATENCY = 2.0
RPM = 1200
BARS = {
    "achieved_50": ">=0.97",
    "achieved_200": ">=0.95",
    "achieved_500": ">=0.93",
    "faults_50": ">=0.90",
    "rpm_rate": ">=0.90",
    "rpm_429_share": "<=0.01",
}
_COUNTS = ("rpm_429_share",)  # not timed: the machine's noise has no part in them
_FAULTS = {"p_429": 0.0125, "p_500": 0.0125, "p_malformed": 0.0125, "p_reset": 0.0125}


@dataclass(frozen=True)
class Setting:
    """What is measured: `items` calls, `parallel` in flight; `server` are options of the mock."""

    name: str
    parallel: int
    items: int
    server: dict[str, float] = field(default_factory=dict)
    rpm: int | None = None


@dataclass(frozen=True)
class Measurement:
    """One arm in one setting."""

    arm: str
    setting: Setting
    outcome: Outcome

    @property
    def ratio(self) -> float:
        """What was achieved to the ideal."""
        if self.setting.rpm:
            return self.outcome.per_second * 60 / self.setting.rpm
        if self.setting.server:  # faults: the calls that the server saw
            served: float = self.outcome.server["served_seconds"]
            return served / self.setting.parallel / self.outcome.seconds
        return self.outcome.per_second * LATENCY / self.setting.parallel

    @property
    def share_limited(self) -> float:
        limited: int = self.outcome.server["limited"]
        return limited / int(self.outcome.server["requests"])

    def describe(self) -> dict[str, Any]:
        """The raw record."""
        return asdict(self) | {"ratio": self.ratio, "cpu_ms_per_request": self.outcome.cpu_ms_per_request}


def schedule(quick: bool) -> list[tuple[str, Setting]]:
    """One round: arms and settings in turn. The number of items is a multiple of the number in flight.

    With fewer of them the end, when calls run out, weighs so much that no client could meet the bars.
    """
    waves = {50: 26, 200: 22, 500: 20} if quick else {50: 40, 200: 30, 500: 25}
    plain = {n: Setting(str(n), n, n * waves[n]) for n in waves}
    faults = Setting("faults_50", 50, 1000 if quick else 1500, _FAULTS)
    limit = Setting("rpm", 200, 600 if quick else 1500, {"rpm": RPM}, RPM)
    control = [] if quick else [("ours", plain[50])]
    both = [("ours", plain[200]), ("fastchat", plain[200]), ("ours", faults), ("fastchat", faults)]
    rest = [("ours", plain[500]), *([] if quick else [("fastchat", plain[500])]), ("ours", limit)]
    return [("ours", plain[50]), ("fastchat", plain[50]), *control, *both, *rest]


def measure(arm: str, setting: Setting) -> Measurement:
    """Run one arm against a server of its own."""
    script = "pool_way.py" if arm == "ours" else "fastchat_way.py"
    with mock_server({"latency": LATENCY, "warm_up": 1, **setting.server}) as url:
        return Measurement(arm, setting, run_arm(script, url, setting.parallel, setting.items, setting.rpm))


def free_client(setting: Setting) -> float:
    """The ratio that a client without any cost of its own reaches, given the server's latencies."""
    slots = [0.0] * setting.parallel
    for latency in islice(Behaviour(latency=LATENCY).latencies(), setting.items):
        heapq.heapreplace(slots, slots[0] + latency)
    return setting.items * LATENCY / setting.parallel / max(slots)


def ratios(measurements: list[Measurement]) -> dict[str, float]:
    """All ratios by name, medians over the rounds."""
    grouped: dict[tuple[str, str], list[Measurement]] = {}
    for measurement in measurements:
        grouped.setdefault((measurement.arm, measurement.setting.name), []).append(measurement)
    found: dict[str, float] = {}
    for (arm, setting), group in grouped.items():
        found[_name(arm, setting)] = median(one.ratio for one in group)
        if arm == "fastchat" and (ours := grouped.get(("ours", setting))):
            rates = [median(one.outcome.per_second for one in arms) for arms in (ours, group)]
            found[f"vs_fastchat_{setting}"] = rates[0] / rates[1]
    if limited := grouped.get(("ours", "rpm")):
        found["rpm_429_share"] = median(one.share_limited for one in limited)
    return found


def noise(measurements: list[Measurement]) -> dict[str, float]:
    """The range of ours at 50 in flight, where that was measured more than once, as the noise of all that is timed."""
    control = [one.ratio for one in measurements if (one.arm, one.setting.name) == ("ours", "50")]
    timed = [name for name in BARS if name not in _COUNTS]
    return dict.fromkeys(timed, max(control) - min(control)) if len(control) > 1 else {}


def _name(arm: str, setting: str) -> str:
    if arm == "fastchat":
        return f"fastchat_{setting}"
    return {"faults_50": "faults_50", "rpm": "rpm_rate"}.get(setting, f"achieved_{setting}")


def cpu(measurements: list[Measurement]) -> dict[str, float]:
    """Medians of CPU milliseconds per request, by arm and setting."""
    grouped: dict[str, list[float]] = {}
    for one in measurements:
        grouped.setdefault(f"{one.arm}_{one.setting.name}", []).append(one.outcome.cpu_ms_per_request)
    return {name: median(values) for name, values in grouped.items()}


def show(report: dict[str, Any], measurements: list[Measurement], console: Console) -> None:
    """Print the tables."""
    free = {f"achieved_{one.setting.name}": free_client(one.setting) for one in measurements if _is_plain(one)}
    table = Table("ratio", "value", "free client", "bar", "verdict", title="Ratios to the ideal, medians")
    for name, value in report["ratios"].items():
        ceiling = f"{free[name]:.3f}" if name in free else ""
        table.add_row(name, f"{value:.3f}", ceiling, report["bars"].get(name, ""), report["verdicts"].get(name, ""))
    console.print(table)
    table = Table("arm", "setting", "items", "lost", "requests", "seconds", "items/s", "CPU ms/request", title="Raw")
    for one in measurements:
        out = one.outcome
        counts = [str(number) for number in (out.items, out.items - out.completed, out.server["requests"])]
        rates = [f"{number:.2f}" for number in (out.seconds, out.per_second, out.cpu_ms_per_request)]
        table.add_row(one.arm, one.setting.name, *counts, *rates)
    console.print(table)
    console.print("CPU of ours: driver and actors. of FastChat's way: its process.", f"Machine: {report['machine']}")


def _is_plain(one: Measurement) -> bool:
    return not one.setting.server


def summarize(measurements: list[Measurement], about: dict[str, Any]) -> dict[str, Any]:
    """The JSON report."""
    lost = [one for one in measurements if one.arm == "ours" and one.outcome.completed < one.outcome.items]
    report = assess(
        ratios(measurements),
        BARS,
        about,
        noise(measurements),
        lost=sum(one.outcome.items - one.outcome.completed for one in lost),
        cpu_ms_per_request=cpu(measurements),
        rounds=[one.describe() for one in measurements],
    )
    return report | {"ok": report["ok"] and not lost}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of fewer calls: at most 8 minutes")
    parser.add_argument("--rounds", type=int, help="default: 2, with --quick 1")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    console, about, began = Console(), machine("openai", "ray", "aiohttp", "httpx2"), time.monotonic()
    measurements = []
    for number in range(arguments.rounds or (1 if arguments.quick else 2)):
        for arm, setting in schedule(arguments.quick):
            one = measure(arm, setting)
            measurements.append(one)
            console.print(
                f"{time.monotonic() - began:5.0f} s  round {number + 1}  {arm} {setting.name}: {one.ratio:.3f}"
            )
    report = summarize(measurements, about)
    show(report, measurements, console)
    if report["lost"]:
        console.print(f"{report['lost']} of our items have no completion: the benchmark fails")
    return hand_in(report, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
