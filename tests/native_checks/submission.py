"""Coding references, run in a separate interpreter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from .common import reference

HARNESS = """
import json, signal, sys

def results(code):
    space = {"__name__": "submission"}
    exec(compile(code, "submission.py", "exec"), space)
    for arguments in json.loads(calls):  # what a submission does to its arguments stays its own
        try:
            value = space[job["name"]](*arguments)
        except Exception as error:
            yield ["error", type(error).__name__]
        else:
            yield [type(value).__name__, list(map(list, value.items())) if isinstance(value, dict) else value]

class Late(BaseException):  # which a submission's `except Exception` lets through
    pass

def stop(*_):
    raise Late

job = json.load(sys.stdin)
calls = json.dumps(job["calls"])
signal.signal(signal.SIGALRM, stop)
reports = []
for code in job["codes"]:
    signal.alarm(job["timeout_s"])
    try:
        reports.append(list(results(code)))
    except (Exception, Late):
        reports.append(None)
signal.alarm(0)
json.dump(reports, sys.stdout)
"""
TIMEOUT_S = 30
ERROR = ["error", "ValueError"]
Case = tuple[list[Any], list[Any]]  # arguments, and what the harness must report for them


def code_block(question_id: int, turn: int) -> str:
    """The one block of Python or SQL in a reference."""
    blocks: list[str] = re.findall(r"(?ms)^```(?:python|sql)\n(.*?)^```$", reference(question_id, turn))
    if len(blocks) != 1:
        raise AssertionError(f"{question_id} turn {turn} has {len(blocks)} code blocks")
    return blocks[0]


def run(codes: list[str], name: str, calls: list[list[Any]]) -> list[list[list[Any]] | None]:
    """What each call gave in each of the programs, or None where a program could not be run to its end."""
    job = json.dumps({"codes": codes, "name": name, "calls": calls, "timeout_s": TIMEOUT_S})
    done = subprocess.run([sys.executable, "-I", "-c", HARNESS], input=job, capture_output=True, text=True, check=True)
    reports: list[list[list[Any]] | None] = json.loads(done.stdout)
    return reports


class Check(NamedTuple):
    """What a coding reference must pass: `cases` are called only when they are needed."""

    question_id: int
    turn: int
    function: str
    cases: Callable[[], list[Case]]
    wrap: Callable[[str], str] = str
    """Makes Python of a block in another language."""


def failures(codes: list[str], check: Check) -> list[list[str]]:
    """What is wrong with the results of each of `codes`: the block of a reference and mutations of it."""
    cases = check.cases()
    reports = run([check.wrap(code) for code in codes], check.function, [arguments for arguments, _ in cases])
    return [["the code did not run"] if got is None else _differences(check.function, cases, got) for got in reports]


def _differences(name: str, cases: list[Case], got: list[list[Any]]) -> list[str]:
    return [
        f"{name}{tuple(arguments)} gave {actual}, not {expected}"
        for (arguments, expected), actual in zip(cases, got, strict=True)
        if actual != expected
    ]
