"""What the checks of errata compare with: slow, obvious computations that share nothing with the references.

Runs inside the sandbox, next to the code of a reference. Each function raises AssertionError with the first case
that a reference gets wrong.
"""

import itertools
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

Numbers = list[int]


def overtake(runners: int, place: int) -> set[tuple[int, int]]:
    """(my new place, theirs) for every way to pass the runner in `place` from directly behind."""
    found = set()
    for me in range(1, runners + 1):
        order = ["me" if spot == me else spot for spot in range(1, runners + 1)]
        if me != place and me - 1 == place:
            order[me - 2], order[me - 1] = order[me - 1], order[me - 2]
            found.add((order.index("me") + 1, order.index(place) + 1))
    return found


def brothers(sisters: int, of_each: int, *, elder_only: bool = False) -> set[int]:
    """How many brothers a boy can have whose younger sisters have `of_each` brothers each (only elder ones counted)."""
    found = set()
    for others in range(4):
        people = ["boy"] + ["brother"] * others + ["sister"] * sisters
        for order in set(itertools.permutations(people)):
            sister_ages = [age for age, who in enumerate(order) if who == "sister"]
            males = [age for age, who in enumerate(order) if who != "sister"]
            if any(age < order.index("boy") for age in sister_ages):
                continue  # they are younger
            counts = {sum(male < age for male in males) if elder_only else len(males) for age in sister_ages}
            if counts == {of_each}:
                found.add(others)
    return found


def parking() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The only (colours, names) by space that the parking puzzle allows: colours RBGYV, names A(lice) to E(nid)."""

    def between(middle: int, one: int, other: int) -> bool:
        return one < middle < other or other < middle < one

    solutions = [
        (colours, names)
        for colours in itertools.permutations("RBGYV")
        if (colours[0], colours[4], colours[3]) == ("R", "V", "Y")
        and between(colours.index("B"), colours.index("R"), colours.index("G"))
        for names in itertools.permutations("ABCDE")
        if names[4] == "D"
        and abs(names.index("A") - names.index("D")) == 1
        and names[colours.index("G")] == "E"
        and between(names.index("B"), names.index("C"), names.index("E"))
    ]
    assert len(solutions) == 1
    return solutions[0]


def compass_right_of(facing: str, clockwise: str) -> str:
    """The direction at the right hand of who looks `facing`; `clockwise` lists the four from north."""
    return clockwise[(clockwise.index(facing) + 1) % 4]


def cubic_roots() -> list[complex]:
    """The roots of 4x^3 - 9x - 14 by Durand-Kerner iteration."""
    roots = [(0.4 + 0.9j) ** power for power in range(3)]
    for _ in range(200):
        for i, root in enumerate(roots):
            others = [other for j, other in enumerate(roots) if j != i]
            roots[i] = root - (root**3 - 9 / 4 * root - 14 / 4) / ((root - others[0]) * (root - others[1]))
    return roots


def sorted_pairs(longest: int, highest: int, count: int, seed: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Every pair of sorted lists of up to 3 numbers below 3, then random ones."""
    small = [list(p) for size in range(4) for p in itertools.combinations_with_replacement(range(3), size)]
    yield from itertools.product(small, small)
    draw = random.Random(seed)

    def one() -> Numbers:
        return sorted(draw.randint(0, highest) for _ in range(draw.randint(0, longest)))

    for _ in range(count):
        yield one(), one()


def median(function: Callable[[Numbers, Numbers], float]) -> None:
    """The median of two sorted lists, against `statistics.median` of both together."""
    for a, b in sorted_pairs(longest=7, highest=9, count=1000, seed=2):
        if a or b:
            given = list(a), list(b)
            assert function(a, b) == statistics.median(a + b), given
            assert (a, b) == given, f"changed its input {given}"


def kth(function: Callable[[Numbers, Numbers, int], int]) -> None:
    """The k-th smallest of two sorted lists, for every k, against sorting both together."""
    for a, b in sorted_pairs(longest=7, highest=20, count=200, seed=4):
        for k in range(1, len(a) + len(b) + 1):
            given = list(a), list(b)
            assert function(a, b, k) == sorted(a + b)[k - 1], (*given, k)
            assert (a, b) == given, f"changed its input {given}"


def top_two(function: Callable[[Numbers], Sequence[int]]) -> None:
    """The two most frequent values, wherever they are determined."""
    draw = random.Random(3)
    for _ in range(2000):
        numbers = [draw.randint(0, 5) for _ in range(draw.randint(3, 12))]
        counts = sorted(Counter(numbers).values(), reverse=True)
        if len(counts) < 2 or (len(counts) > 2 and counts[1] == counts[2]):
            continue
        wanted = {value for value, _ in Counter(numbers).most_common(2)}
        assert set(function(list(numbers))) == wanted, numbers


def common(function: Callable[[Numbers, Numbers], Sequence[int]]) -> None:
    """The common elements of two lists, each once, against the intersection of sets."""
    draw = random.Random(5)
    for _ in range(500):
        a, b = ([draw.randint(0, 9) for _ in range(draw.randint(0, 7))] for _ in "ab")
        assert sorted(function(list(a), list(b))) == sorted(set(a) & set(b)), (a, b)


@cache
def full_trees(vertices: int, children: int) -> int:
    """Ordered trees with so many vertices, each of which has none or `children` children, by splitting the root off."""

    @cache
    def forests(left: int, trees: int) -> int:
        if trees == 0:
            return int(left == 0)
        return sum(full_trees(first, children) * forests(left - first, trees - 1) for first in range(1, left + 1))

    return 0 if vertices < 1 else 1 if vertices == 1 else forests(vertices - 1, children)


def trees(function: Callable[[int], int], children: int) -> None:
    """The number of full trees with n vertices, for n from 0 to 21."""
    for vertices in range(22):
        assert function(vertices) == full_trees(vertices, children), vertices


def lcs(function: Callable[[str, str], int]) -> None:
    """The length of the longest common subsequence, against every subsequence of the first text."""
    draw = random.Random(1)
    for _ in range(200):
        a, b = ("".join(draw.choice("abc") for _ in range(draw.randint(0, 7))) for _ in "ab")
        subsequences = ([c for i, c in enumerate(a) if mask >> i & 1] for mask in range(1 << len(a)))
        longest = max(len(part) for part in subsequences if all(c in rest for rest in [iter(b)] for c in part))
        assert function(a, b) == longest, (a, b)


def root_of_all(function: Callable[[Any, Any, Any], Any], node: Callable[..., Any], binary: bool) -> None:
    """The highest common ancestor: the root of whatever tree holds both, None where one is missing."""
    d, e, f = node(4), node(5), node(6)
    b, c = (node(2, d, e), node(3, f)) if binary else (node(2, [d, e, f]), node(3))
    a = node(1, b, c) if binary else node(1, [b, c])
    for p, q in itertools.product((a, b, c, d, e, f), repeat=2):
        assert function(a, p, q) is a
    assert function(b, d, e) is b
    assert function(a, d, node(4)) is None
    assert function(b, d, c) is None
    assert function(None, d, e) is None


def write_texts(folder: str) -> None:
    """Text files whose words are counted by hand: kiwi 53, apple 5, 사과 4, banana 3, 배 2, plum 1."""
    texts = {
        "a.txt": "사과 사과 배 apple Apple apple, apple. banana plum\n",
        "b.txt": "apple! 사과 banana, 배 banana kiwi kiwi 사과 kiwi\n",
        "sub/c.txt": "kiwi " * 50 + "\n",
        "note.md": "zzz " * 99,
    }
    for name, text in texts.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def printed(code: str, folder: str = ".") -> list[str]:
    """The lines that `code` prints when it is run as it stands, in `folder`."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=True).stdout.splitlines()
