"""No turn of our own questions is another's in other words, as far as letters can tell."""

from pathlib import Path

import pytest
from native_checks.common import NATIVE

from mtbench_ko.bench import load_bench
from mtbench_ko.bench.similar import similar


def turns(folder: Path) -> dict[int, list[str]]:
    """Each turn by itself, under a number whose last digit is the turn's."""
    questions = load_bench(str(folder), references="none").questions
    return {
        10 * number + turn: [text]
        for number, question in questions.items()
        for turn, text in enumerate(question.turns, start=1)
    }


@pytest.mark.parametrize("name", ["mt_bench", "mt_bench_ko", "komt_bench"])
def test_no_turn_is_close_to_one_of_an_upstream_set(name: str, upstream: Path) -> None:
    own, theirs = turns(NATIVE), turns(upstream / name)
    assert (len(own), len(theirs)) == (160, 160)
    assert similar(own, theirs) == []


def test_no_turn_is_close_to_one_of_another_question() -> None:
    assert [pair for pair in similar(turns(NATIVE)) if pair[0] // 10 != pair[1] // 10] == []
