"""No question of ours is another's in other words, as far as letters can tell.

Measured is the Jaccard index of the sets of three-letter runs of two turns, blanks and punctuation left out.
"""

import re
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from native_checks.common import NATIVE, read_jsonl

UPSTREAM_AT_MOST = 0.08
OWN_AT_MOST = 0.2  # between questions; the turns of one question may speak of the same things


class Turn(NamedTuple):
    question_id: int
    turn: int
    runs: frozenset[str]


def turns(file: Path) -> list[Turn]:
    return [
        Turn(row["question_id"], number, runs(text))
        for row in read_jsonl(file)
        for number, text in enumerate(row["turns"], start=1)
    ]


def runs(text: str) -> frozenset[str]:
    letters = re.sub(r"[\W_]+", "", text.lower())
    return frozenset(letters[at : at + 3] for at in range(len(letters) - 2))


def likeness(one: Turn, other: Turn) -> float:
    return len(one.runs & other.runs) / len(one.runs | other.runs)


OWN = turns(NATIVE / "question.jsonl")


def test_no_turn_is_close_to_one_of_the_upstream_sets(upstream: Path) -> None:
    files = sorted(upstream.glob("*/question.jsonl"))
    assert [file.parent.name for file in files] == ["komt_bench", "mt_bench", "mt_bench_ko"]
    close = [
        (mine[:2], theirs[:2], file.parent.name)
        for file in files
        for theirs in turns(file)
        for mine in OWN
        if likeness(mine, theirs) > UPSTREAM_AT_MOST
    ]
    assert close == []


def test_no_turn_is_close_to_one_of_another_question() -> None:
    pairs = ((one, other) for one, other in combinations(OWN, 2) if one.question_id != other.question_id)
    assert [(one[:2], other[:2]) for one, other in pairs if likeness(one, other) > OWN_AT_MOST] == []


def test_the_measure_sees_two_translations_of_one_question(upstream: Path) -> None:
    one, other = (turns(upstream / name / "question.jsonl") for name in ("mt_bench_ko", "komt_bench"))
    by_place = {turn[:2]: turn for turn in other}
    seen = [likeness(turn, by_place[turn[:2]]) > OWN_AT_MOST for turn in one if turn[:2] in by_place]
    assert sum(seen) > 0.8 * len(seen)
