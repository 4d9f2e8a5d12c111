"""How long it takes to take up a run of 100,000 judgments, against pandas reading the same journal.

    python benchmarks/resume.py [--quick] [--json FILE]

Each measurement is a fresh process that imports first and is timed from then on: ours opens the run directory
(`RunStore`: every line validated, indexed by slot and key), pandas reads the same file with `read_json(lines=True)`.
That is fair to pandas, which checks no shape and builds no index; it is its C parser that we are measured by. The
journal holds judgments of about 3 kB of Korean prompt and 1 kB of reply. Measurements alternate, medians are reported.

- vs_pandas: our seconds to pandas'.
- peak_mb: the most memory that our process had, in MB (10^6 bytes), the interpreter and its imports included.
- growth: seconds for all judgments to twice those for half of them: 1 is linear.
- noise: the range of our measurements of the whole journal, in ratios to pandas. `--quick` has one alone.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from report import assess, hand_in, machine, ratios_table
from rich.console import Console

BARS = {"vs_pandas": "<=2.0", "peak_mb": "<=500", "growth": "<=1.3"}
_PROMPT = "평가할 답변의 시작입니다. 높임의 대상과 정도가 상황에 맞는지, 사실과 계산이 맞는지 살펴 주십시오. "
_REPLY = "답변은 요구한 형식을 지켰고 사실도 맞습니다. 다만 둘째 문단의 높임이 한결같지 않습니다. "
_TIMED = {
    "ours": "from pathlib import Path; from mtbench_ko.store import RunStore as read; path = Path(sys.argv[1])",
    "pandas": "import pandas; read = lambda path: pandas.read_json(path, lines=True); "
    "path = sys.argv[1] + '/_state/journal.jsonl'",
}
_MEASURE = """
import sys, time
from memory import peak_mb
{setup}
began = time.perf_counter()
kept = read(path)
print(time.perf_counter() - began, peak_mb())
"""


def write_journal(folder: Path, count: int) -> None:
    """A journal of `count` judgments: models of 160 judgments each."""
    from mtbench_ko.lines import References
    from mtbench_ko.records import JudgmentRecord

    (folder / "_state").mkdir(parents=True)
    with (folder / "_state" / "journal.jsonl").open("w", encoding="utf-8") as journal:
        for number in range(count):
            model, item = divmod(number, 160)
            record = JudgmentRecord(
                bench="mt_bench_ko",
                question_id=81 + item // 2,
                turn=1 + item % 2,
                key=f"{number:064x}",
                model=f"model-{model}",
                judge=["judge", "single-v1"],
                user_prompt=f"{number} {_PROMPT * 20}",
                judgment=f"{_REPLY * 8}{number}",
                answers_sha256=f"{number:064x}",
                score=1 + number % 10,
                outcome="scored",
                prompt_set="mtbench_ko@0123456789ab",
                references=References(source="corrected", sha256=None),
                finish_reason="stop",
                usage={"prompt_tokens": 1500, "completion_tokens": 300},
            )
            journal.write(record.model_dump_json() + "\n")


def measure(arm: str, folder: Path) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a fresh process that reads the journal in `folder`."""
    command = [sys.executable, "-c", _MEASURE.format(setup=_TIMED[arm]), str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def run(count: int, rounds: int) -> dict[str, Any]:
    """The ratios, and every measurement."""
    with tempfile.TemporaryDirectory() as temporary:
        whole, half = Path(temporary, "whole"), Path(temporary, "half")
        write_journal(whole, count)
        write_journal(half, count // 2)
        raw = [
            {"ours": measure("ours", whole), "pandas": measure("pandas", whole), "half": measure("ours", half)}
            for _ in range(rounds)
        ]
        size = (whole / "_state" / "journal.jsonl").stat().st_size
    seconds = {arm: median(row[arm][0] for row in raw) for arm in raw[0]}
    ours = [row["ours"][0] for row in raw]
    return {
        "ratios": {
            "vs_pandas": seconds["ours"] / seconds["pandas"],
            "peak_mb": max(row["ours"][1] for row in raw),
            "growth": seconds["ours"] / (2 * seconds["half"]),
        },
        "noise": {"vs_pandas": (max(ours) - min(ours)) / seconds["pandas"]} if rounds > 1 else {},
        "journal_mb": size / 1e6,
        "pandas_peak_mb": max(row["pandas"][1] for row in raw),
        "seconds": seconds,
        "rounds": raw,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Time to take up a run of 100,000 judgments.")
    parser.add_argument("--quick", action="store_true", help="one round of 20,000")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    about = machine("pandas", "pydantic")
    report = assess(bars=BARS, about=about, **run(*((20_000, 1) if arguments.quick else (100_000, 3))))
    console = Console()
    console.print(ratios_table(report))
    console.print(f"journal {report['journal_mb']:.0f} MB, pandas' peak {report['pandas_peak_mb']:.0f} MB", about)
    return hand_in(report, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
