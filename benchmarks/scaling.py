"""How close the scheduler comes to the best that its slots allow, up to sizes that cannot be rented; what Ray adds.

    python benchmarks/scaling.py [--quick] [--json FILE]

Everything is the program's own code, in virtual time (virtual_time.py): `ReplicaPool`, `Pipeline.answer` with its
order, the conversations, the journal on disk. Only the engine is simulated (simulated.py says with which lengths).
The scheduler knows the category of a question, not how long its answer will be.

- makespan_over_bound: the time from the first request to the last answer, to max(sum / slots, longest), the time that
  no scheduler can beat: the worst of all settings with at least 32 conversations a slot. 80 questions x 1, 10 and 100
  models, 1 to 64 replicas of 2, 16 and 256 slots. "file order" beside it is the same without the order by length.
- within_graham: the largest makespan / (sum / slots + longest) of all settings, small ones too; at most 1.
- ray_ms_per_conversation: the program's own actors (`ActorReplica`) with an engine that answers at once, 2,000
  conversations of two turns, 1 to 16 actors, less the same in one process: Ray's share of a conversation.
- driver_peak_mb: the largest resident memory of a driver that holds 100,000 conversations, in virtual time: 1,250
  models, one after the other as 64 GPUs become free, through `Schedule` with 90 s to load each. What that run takes is
  stated for 1,000 checkpoints.
"""

import argparse
import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from memory import peak_mb
from report import assess, hand_in, machine, ratios_table
from rich.console import Console
from rich.table import Table
from simulated import SimulatedReplica, conversations, seconds, temporary_store
from virtual_time import run

from mtbench_ko.engine import Ask, Completion, Messages, Node, ReplicaInfo, ReplicaPool, Replicas, Sampling, ray_cluster
from mtbench_ko.engine.actors import ActorReplica, Resources
from mtbench_ko.engine.mailbox import Call, Finished, Inbox
from mtbench_ko.generate import Conversation
from mtbench_ko.job.plan import Contestant, Plan
from mtbench_ko.job.schedule import Schedule
from mtbench_ko.job.timeline import Timeline
from mtbench_ko.pipeline import Pipeline
from mtbench_ko.pipeline import pipeline as pipeline_module
from mtbench_ko.progress import RunProgress

BARS = {
    "makespan_over_bound": "<=1.05",
    "within_graham": "<=1.0",
    "driver_peak_mb": "<=500",
}
GPUS, LOAD_SECONDS, SLOTS = 64, 90.0, 64
NEVER = 1e12  # seconds between looks at engines that have nothing to show


@dataclass(frozen=True)
class Setting:
    models: int
    replicas: int
    slots: int


@dataclass(frozen=True)
class Measurement:
    """Virtual seconds; `total` and `longest` of what the conversations take, `file_order` of the same unordered."""

    setting: Setting
    conversations: int
    total: float
    longest: float
    makespan: float
    file_order: float

    @property
    def slots(self) -> int:
        return self.setting.replicas * self.setting.slots

    @property
    def over_bound(self) -> float:
        return self.makespan / max(self.total / self.slots, self.longest)

    @property
    def graham(self) -> float:
        return self.makespan / (self.total / self.slots + self.longest)


def settings(quick: bool) -> list[Setting]:
    """Quick leaves out what lies between."""
    replicas = (1, 8, 64) if quick else (1, 2, 4, 8, 16, 32, 64)
    models = (1, 10) if quick else (1, 10, 100)
    every = [Setting(m, r, s) for m in models for r in replicas for s in (2, 16, 256)]
    return [*every, Setting(100, 64, 2), Setting(100, 8, 16)] if quick else every


@contextlib.contextmanager
def silent_progress() -> Iterator[RunProgress]:
    with contextlib.redirect_stderr(io.StringIO()):
        yield RunProgress(0, 0)


async def makespan(talks: Sequence[Conversation], replicas: int, slots: int) -> float:
    """Seconds that the program takes for all `talks`."""
    pool = ReplicaPool(lambda number: SimulatedReplica(number, slots), replicas, look=NEVER)
    await pool.start()
    with temporary_store() as store, silent_progress() as progress:
        async with asyncio.TaskGroup() as group:
            pipeline = Pipeline(store, (), progress, group)
            began = asyncio.get_running_loop().time()
            await pipeline.answer(talks, pool)
            taken = asyncio.get_running_loop().time() - began
        assert pipeline.counts.answered == 2 * len(talks)
    await pool.stop()
    return taken


def measure(setting: Setting) -> Measurement:
    talks = conversations(setting.models)
    lengths = [2 * seconds(talk.question, talk.subject.model_id) for talk in talks]
    ours = run(makespan(talks, setting.replicas, setting.slots))
    with patch.object(pipeline_module, "longest_first", list):
        unordered = run(makespan(talks, setting.replicas, setting.slots))
    return Measurement(setting, len(talks), sum(lengths), max(lengths), ours, unordered)


class _SimulatedPools:
    """In the place of `Pools`."""

    def for_model(self, contestant: Contestant, replicas: Replicas) -> ReplicaPool:
        return ReplicaPool(lambda number: SimulatedReplica(number, SLOTS, LOAD_SECONDS), replicas.count, look=NEVER)


async def many_checkpoints(models: int) -> dict[str, float]:
    """One conversation set for each of `models`, on 64 GPUs as they become free."""
    began = asyncio.get_running_loop().time()
    owed: dict[Contestant, list[Conversation]] = {}
    for talk in conversations(models):
        if not owed or next(reversed(owed)).name != talk.subject.model_id:
            owed[Contestant(talk.subject)] = []
        owed[next(reversed(owed))].append(talk)
    nodes = [Node(8, 64, f"id-{number}", f"node-{number}") for number in range(GPUS // 8)]
    plan = Plan(nodes, None, {one.name: Ask(Replicas(0, 1, 1), most=len(talks)) for one, talks in owed.items()})
    with temporary_store() as store, silent_progress() as progress:
        async with asyncio.TaskGroup() as group:
            pipeline = Pipeline(store, (), progress, group)
            schedule = Schedule(plan, _SimulatedPools(), (), Timeline(), lambda: nodes)  # type: ignore[arg-type]
            await schedule.run(pipeline, owed, progress, group, lambda name: None)
        answered = pipeline.counts.answered
    taken = asyncio.get_running_loop().time() - began
    assert answered == 160 * models
    return {"conversations": answered / 2, "hours": taken / 3600, "loading_share": models * LOAD_SECONDS / GPUS / taken}


def driver(models: int) -> dict[str, float]:
    """`many_checkpoints` in a process of its own, which tells its peak."""
    command = [sys.executable, __file__, "--driver", str(models)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


class Echo:
    """Ray actor class whose engine answers at once."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._inbox = Inbox(self._complete)

    async def start(self) -> ReplicaInfo:
        return ReplicaInfo("echo", "m", "", os.getpid(), 0.0, self._slots)

    async def put(self, calls: dict[int, Call]) -> None:
        self._inbox.put(calls)

    async def take(self) -> Finished:
        return await self._inbox.take()

    async def counters(self) -> None: ...

    async def stop(self) -> None: ...

    async def _complete(self, messages: Messages, sampling: Sampling, schema: object) -> Completion:
        return Completion("답" * 1000, None, "stop", 500, 1000, sampling.describe(), "m")


class _InProcess(SimulatedReplica):
    """The same without Ray."""

    async def complete(self, messages: Messages, sampling: Sampling, schema: object) -> Completion:
        await asyncio.sleep(0)
        return Completion("답" * 1000, None, "stop", 500, 1000, sampling.describe(), "m")


async def real_seconds(pool: ReplicaPool, talks: Sequence[Conversation]) -> float:
    await pool.start()
    with temporary_store() as store, silent_progress() as progress:
        async with asyncio.TaskGroup() as group:
            began = time.perf_counter()
            await Pipeline(store, (), progress, group).answer(talks, pool)
            taken = time.perf_counter() - began
    await pool.stop()
    return taken


def ray_overhead(quick: bool) -> dict[str, float]:
    """Milliseconds a conversation with so many actors, without Ray ("none"), and what its memory in the driver is."""
    talks = conversations(25)
    rounds = 1 if quick else 3
    found: dict[str, list[float]] = {}
    before = peak_mb()
    with ray_cluster(None):
        for actors in (1, 4, 16) * rounds:
            slots = 256 // actors
            pools = {
                "none": ReplicaPool(lambda number, slots=slots: _InProcess(number, slots), actors),  # type: ignore[misc]
                str(actors): ReplicaPool(lambda _, slots=slots: ActorReplica(Echo, slots, Resources()), actors),  # type: ignore[misc]
            }
            for name, pool in pools.items():
                taken = asyncio.run(real_seconds(pool, talks))
                found.setdefault(name, []).append(1000 * taken / len(talks))
    grown = 1000 * (peak_mb() - before)
    milliseconds = {name: median(values) for name, values in found.items()}
    return milliseconds | {"driver_kb_per_conversation": grown / (len(talks) * rounds * 6)}


def show(report: dict[str, Any], measurements: Sequence[Measurement], console: Console) -> None:
    table = Table(
        "models",
        "replicas",
        "slots each",
        "conv./slot",
        "makespan s",
        "/ bound",
        "file order",
        "/ (sum/slots + longest)",
    )
    for one in measurements:
        bound = max(one.total / one.slots, one.longest)
        shown = (one.makespan / bound, one.file_order / bound, one.graham)
        table.add_row(
            *map(str, asdict(one.setting).values()),
            f"{one.conversations / one.slots:.1f}",
            f"{one.makespan:.0f}",
            *(f"{value:.3f}" for value in shown),
        )
    console.print(table)
    console.print(ratios_table(report))
    many = report["checkpoints"]
    console.print(
        f"1,000 checkpoints x 80 questions on {GPUS} GPUs, one each, {SLOTS} slots, {LOAD_SECONDS:.0f} s to load: "
        f"{1000 / many['models'] * many['hours']:.1f} h; loading takes {many['loading_share']:.0%} of the GPUs' time"
    )
    console.print(f"Machine: {report['machine']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer settings and one round: at most 8 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--driver", type=int, metavar="MODELS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.driver:
        found = run(many_checkpoints(arguments.driver))
        print(json.dumps(found | {"peak_mb": peak_mb()}))
        return 0
    console, about = Console(), machine("ray")
    measurements = [measure(setting) for setting in settings(arguments.quick)]
    models = 1250
    many = driver(models) | {"models": models}
    ray = ray_overhead(arguments.quick)
    plenty = [one for one in measurements if one.conversations / one.slots >= 32]
    ratios = {
        "makespan_over_bound": max(one.over_bound for one in plenty),
        "within_graham": max(one.graham for one in measurements),
        "driver_peak_mb": many["peak_mb"],
        "driver_kb_per_conversation": ray.pop("driver_kb_per_conversation"),
        "in_process_ms_per_conversation": ray["none"],
        **{f"ray_ms_per_conversation_{name}": value - ray["none"] for name, value in ray.items() if name != "none"},
    }
    report = assess(ratios, BARS, about, checkpoints=many, measurements=[asdict(one) for one in measurements])
    show(report, measurements, console)
    return hand_in(report, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
