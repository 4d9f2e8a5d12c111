"""All benchmarks, one after the other, and the table of benchmarks/README.md.

    python benchmarks/bench.py --model FOLDER [--quick] [NAME ...]

FOLDER is Gemma 3 270M, made by demo/gemma.py; NAMEs choose some benchmarks. Each leaves its ratios in
benchmarks/results/NAME.json; the table is made of what lies there, so it can hold runs of several days, and says of
each whether it was quick and what it ran on.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from report import ratio_rows

HERE = Path(__file__).parent
RESULTS, README = HERE / "results", HERE / "README.md"
BEGIN, END = "<!-- made by bench.py -->", "<!-- end -->"
BENCHMARKS = {  # name: whether it wants the model
    "generation": True,
    "pipeline": True,
    "judge_pool": False,
    "scaling": False,
    "resume": False,
    "stats": False,
    "startup": True,
}
_KEPT = ("ratios", "bars", "noise", "ok", "verdicts", "machine")


def measure(name: str, model: Path, quick: bool) -> bool:
    """Run one, and keep its result; whether its bars hold."""
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        options = [*(["--model", str(model)] if BENCHMARKS[name] else []), *(["--quick"] if quick else [])]
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), "--json", str(file), *options], check=False)
        if not file.exists():
            print(f"{name} ended with {done.returncode} and left no report", file=sys.stderr)
            return False
        report = json.loads(file.read_text(encoding="utf-8"))
    keep(name, report, quick, time.monotonic() - began)
    return bool(report["ok"])


def keep(name: str, report: dict[str, Any], quick: bool, seconds: float) -> None:
    """Put the result beside the others."""
    about = {"day": datetime.now(UTC).date().isoformat(), "quick": quick, "minutes": round(seconds / 60, 1)}
    result = {key: report[key] for key in _KEPT} | about
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table() -> str:
    """What lies in benchmarks/results, in Markdown."""
    results = {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in present()}
    return "\n".join([*_ratios(results), "", *_runs(results)])


def present() -> list[str]:
    return [name for name in BENCHMARKS if (RESULTS / f"{name}.json").exists()]


def _ratios(results: dict[str, Any]) -> Iterator[str]:
    yield "| benchmark | ratio | value | noise | bar | verdict |"
    yield "| --- | --- | ---: | ---: | --- | --- |"
    for name, result in results.items():
        for row in ratio_rows(result):
            yield f"| {name} | {' | '.join(row)} |"


def _runs(results: dict[str, Any]) -> Iterator[str]:
    yield "| benchmark | run | took | load at start | machine |"
    yield "| --- | --- | ---: | ---: | --- |"
    for name, result in results.items():
        about = dict(result["machine"])
        load, cpu, cores = about.pop("load_1m_at_start"), about.pop("cpu"), about.pop("cores")
        about.pop("load_1m_at_end", None)
        versions = ", ".join(f"{package} {version}" for package, version in about.items())
        run = f"{'quick' if result['quick'] else 'full'}, {result['day']}"
        yield f"| {name} | {run} | {result['minutes']} min | {load:.1f} | {cpu}, {cores} cores; {versions} |"


def page(text: str) -> str:
    """The README with the table of today."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="at most 8 minutes each")
    chosen = parser.parse_args(arguments)
    held = [measure(name, chosen.model, chosen.quick) for name in chosen.names or BENCHMARKS]
    README.write_text(page(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
