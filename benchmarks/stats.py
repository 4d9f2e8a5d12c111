"""How long the statistics of 1,000 models take, and a plain mean beside them.

    python benchmarks/stats.py [--quick] [--json FILE]

The table is made up: 1,000 models, each judged on both turns of 80 questions in 8 categories, scores from 1 to 10 that
a model, a question and chance decide; 1 in 200 is unscored. Both arms start from the same pandas table in memory; no
file is read in either.

- ours: `score_models` with a baseline: means, counts and 95 % intervals of each model, turn and category (27,000
  intervals of 10,000 resamples each), paired differences with intervals, and the ranks of all 499,500 pairs;
- plain: what FastChat's show_result does, pandas' mean by model and turn and by model.

It is no race: the plain mean has no interval and cannot tell two models apart. It says what knowing costs.

The ratios:

- seconds_1000_models: of ours, wall clock; cpu_seconds_1000_models: what it worked, which other load does not raise;
- seconds_plain_mean, times_plain_mean: of the plain mean, and ours to it;
Medians over rounds, arms in turn. The noise is the range of the measurements of ours, of which every round makes one
more. `--quick` is one round and has none.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from report import assess, hand_in, machine, ratios_table
from rich.console import Console

from mtbench_ko.stats import score_models

MODELS, QUESTIONS, TURNS, CATEGORIES = 1000, 80, 2, 8
BARS = {"seconds_1000_models": "<=30"}


def judgments() -> pd.DataFrame:
    """The same table at every call."""
    rng = np.random.default_rng(8)
    quality = rng.normal(6.5, 1.2, MODELS)[:, None, None]
    ease = rng.normal(0, 1.5, QUESTIONS)[None, :, None]
    scores = quality + ease + rng.normal(0, 1.5, (MODELS, QUESTIONS, TURNS))
    scores = np.clip(np.rint(scores), 1, 10)
    scores[rng.random(scores.shape) < 1 / 200] = -1
    model, question, turn = (index.ravel() for index in np.indices(scores.shape))
    return pd.DataFrame(
        {
            "model": np.char.add("model-", model.astype(str)),
            "question_id": 81 + question,
            "turn": 1 + turn,
            "score": scores.ravel(),
            "category": np.char.add("category-", (question * CATEGORIES // QUESTIONS).astype(str)),
        }
    )


def ours(table: pd.DataFrame) -> None:
    score_models(table, baseline="model-0")


def plain(table: pd.DataFrame) -> None:
    scored = table[table["score"] != -1][["model", "turn", "score"]]
    scored.groupby(["model", "turn"]).mean()
    scored[["model", "score"]].groupby("model").mean()


def seconds(arm: Callable[[pd.DataFrame], None], table: pd.DataFrame) -> tuple[float, float]:
    """Of wall clock and of CPU, all cores together."""
    began, worked = time.perf_counter(), time.process_time()
    arm(table)
    return time.perf_counter() - began, time.process_time() - worked


def summarize(measured: dict[str, list[float]], about: dict[str, Any]) -> dict[str, Any]:
    """The JSON report."""
    found = {
        "seconds_1000_models": median(measured["ours"]),
        "cpu_seconds_1000_models": median(measured["ours_cpu"]),
        "seconds_plain_mean": median(measured["plain"]),
        "times_plain_mean": median(measured["ours"]) / median(measured["plain"]),
    }
    noise = {}
    if len(measured["ours"]) > 1:
        noise = {"seconds_1000_models": max(measured["ours"]) - min(measured["ours"])}
    return assess(found, BARS, about, noise, rounds=measured)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--rounds", type=int, help="default: 5, with --quick 1")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    console, about, table = Console(), machine("numpy", "scipy", "pandas"), judgments()
    arms = {"ours": ours, "plain": plain}
    measured: dict[str, list[float]] = {name: [] for arm in arms for name in (arm, f"{arm}_cpu")}
    for number in range(arguments.rounds or (1 if arguments.quick else 5)):
        for name, arm in arms.items():
            wall, cpu = seconds(arm, table)
            measured[name].append(wall)
            measured[f"{name}_cpu"].append(cpu)
            console.print(f"round {number + 1}  {name}: {wall:.2f} s, {cpu:.2f} s of CPU")
    report = summarize(measured, about)
    console.print(f"{MODELS} models x {QUESTIONS * TURNS} judgments")
    console.print(ratios_table(report), f"Machine: {about}", sep="\n")
    return hand_in(report, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
