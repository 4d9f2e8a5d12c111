"""Loading of the native question set and small helpers that the checks share."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "data"
NATIVE = DATA / "mt_bench_ko_native"


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def _questions() -> dict[int, dict[str, Any]]:
    return {row["question_id"]: row for row in read_jsonl(NATIVE / "question.jsonl")}


@cache
def _references() -> dict[int, dict[str, Any]]:
    rows = read_jsonl(NATIVE / "reference_answer" / "mtbench-ko.jsonl")
    return {row["question_id"]: row for row in rows}


def question(question_id: int, turn: int) -> str:
    return str(_questions()[question_id]["turns"][turn - 1])


def reference(question_id: int, turn: int) -> str:
    return str(_references()[question_id]["choices"][0]["turns"][turn - 1])


def final_answer(question_id: int, turn: int) -> str:
    """What follows `정답: ` on the last line of a reference; it must be the only such line."""
    lines = reference(question_id, turn).splitlines()
    stated = [line for line in lines if line.startswith("정답:")]
    if len(stated) != 1 or lines[-1] != stated[0]:
        raise AssertionError(f"{question_id} turn {turn}: one answer line, the last, is expected: {stated}")
    return stated[0].removeprefix("정답:").strip()


def match(pattern: str, text: str) -> re.Match[str]:
    """The one place in the text that the pattern matches."""
    found = list(re.finditer(pattern, text))
    if len(found) != 1:
        raise AssertionError(f"{pattern!r} matches {len(found)} times")
    return found[0]


def asks(question_id: int, turn: int, *phrases: str) -> str:
    """The text of a question, which must hold the phrases that a solver has taken for granted."""
    text = question(question_id, turn)
    missing = [phrase for phrase in phrases if phrase not in text]
    assert not missing, f"{question_id} turn {turn} no longer says {missing}"
    return text


_DIGITS = {syllable: value for value, syllable in enumerate("영일이삼사오육칠팔구")}
_UNITS = {"십": 10, "백": 100, "천": 1000}


def sino_number(text: str) -> int:
    """Value of a Sino-Korean number, in words or mixed with digits ('이억삼천만', '2억7천만')."""
    total = section = 0
    pending: int | None = None
    for token in re.findall(r"\d+|[^\d\s]", text):
        if token.isdigit():
            pending = int(token)
        elif token in _DIGITS:
            pending = _DIGITS[token]
        elif token in _UNITS:
            section += (1 if pending is None else pending) * _UNITS[token]
            pending = None
        elif token in "만억":
            total += ((section + (pending or 0)) or 1) * (10**4 if token == "만" else 10**8)
            section, pending = 0, None
        else:
            raise ValueError(f"not a number: {text!r}")
    return total + section + (pending or 0)


_NATIVE_TENS = {"열": 10, "스물": 20, "스무": 20, "서른": 30}
_NATIVE_ONES = {
    "한": 1, "하나": 1, "두": 2, "둘": 2, "세": 3, "셋": 3, "서": 3, "석": 3, "네": 4, "넷": 4, "너": 4,
    "다섯": 5, "닷": 5, "여섯": 6, "일곱": 7, "여덟": 8, "아홉": 9,
}  # fmt: skip


def native_number(text: str) -> int:
    """Value of a native Korean number below forty, counting or attributive form ('서른', '닷', '열두')."""
    value, rest = 0, text
    for word, number in _NATIVE_TENS.items():
        if text.startswith(word):
            value, rest = number, text.removeprefix(word)
            break
    if not rest:
        return value
    return value + _NATIVE_ONES[rest]
