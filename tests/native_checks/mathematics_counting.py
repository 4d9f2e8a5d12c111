"""Mathematics of number words, letter cards and card hands, counted one by one."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from math import comb

from .common import asks, final_answer

NATIVE_ONES = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")


def native(number: int) -> int:
    """Syllables of a native Korean number word below a hundred."""
    return len(NATIVE_TENS[number // 10] + NATIVE_ONES[number % 10])


def sino(number: int) -> int:
    """Syllables of a Sino-Korean number word below a hundred: one a digit and one for 십, before which 1 is silent."""
    tens, ones = divmod(number, 10)
    return (tens > 1) + (tens > 0) + (ones > 0)


def check_1034_turn_1() -> None:
    asks(1034, 1, "1부터 99까지", "열하나, …, 아흔아홉")
    assert final_answer(1034, 1) == f"{sum(map(native, range(1, 100)))}음절"


def check_1034_turn_2() -> None:
    asks(1034, 2, "순우리말로 읽는 쪽이 음절이 더 적은 수", "음절 수가 같은 수는 모두 몇 개")
    less = sum(native(n) - sino(n) for n in range(1, 100))
    shorter = ", ".join(str(n) for n in range(1, 100) if native(n) < sino(n))
    equal = sum(native(n) == sino(n) for n in range(1, 100))
    assert final_answer(1034, 2) == f"(1) {less}음절이 준다 (2) {shorter} (3) {equal}개"


INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
JOINED = {
    "ㄲ": "ㄱㄱ", "ㅃ": "ㅂㅂ", "ㅆ": "ㅅㅅ", "ㄳ": "ㄱㅅ", "ㄺ": "ㄱㄹ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ",
    "ㅄ": "ㅂㅅ", "ㅐ": "ㅏㅣ", "ㅘ": "ㅏㅗ", "ㅚ": "ㅗㅣ", "ㅙ": "ㅏㅗㅣ",
}  # fmt: skip
DECK = "ㄱㄴㄹㅁㅂㅅㅏㅗㅣ" * 2


@cache
def spelt() -> tuple[tuple[str, ...], ...]:
    """The sorted four cards of each syllable, of all that Unicode has, that four cards make."""
    found = []
    for syllable in product(INITIALS, VOWELS, FINALS):
        cards = sorted("".join(JOINED.get(letter, letter) for letter in syllable))
        if len(cards) == 4 and not Counter(cards) - Counter(DECK):
            found.append(tuple(cards))
    return tuple(found)


def check_1035_turn_1() -> None:
    asks(1035, 1, "ㄱ, ㄴ, ㄹ, ㅁ, ㅂ, ㅅ이 두 장씩", "ㅏ, ㅗ, ㅣ가 두 장씩")
    asks(1035, 1, "현대 국어에서 쓰는 받침만", "네 장을 남김없이")
    assert final_answer(1035, 1) == f"{len(spelt())}개"


def check_1035_turn_2() -> None:
    asks(1035, 2, "한꺼번에 네 장을 뽑았을 때", "네 장을 남김없이 써서")
    good = set(spelt())
    hands = list(combinations(DECK, 4))
    chance = Fraction(sum(tuple(sorted(hand)) in good for hand in hands), len(hands))
    assert final_answer(1035, 2) == str(chance)


@cache
def fullest() -> dict[int, int]:
    """Hands of 1039 by how many cards of one month they have at most, built up a month at a time."""
    asks(1039, 1, "달마다 네 장씩 모두 48장", "일곱 장을 나눠 주었을 때")
    partial: Counter[tuple[int, int]] = Counter({(0, 0): 1})  # (cards so far, most of a month)
    for _ in range(12):
        following: Counter[tuple[int, int]] = Counter()
        for (held, most), ways in partial.items():
            for count in range(min(4, 7 - held) + 1):
                following[held + count, max(most, count)] += ways * comb(4, count)
        partial = following
    found = {most: ways for (held, most), ways in partial.items() if held == 7}
    assert sum(found.values()) == comb(48, 7)
    return found


def check_1039_turn_1() -> None:
    asks(1039, 1, "어느 한 달의 네 장이 모두")
    assert final_answer(1039, 1) == str(Fraction(fullest()[4], comb(48, 7)))


def check_1039_turn_2() -> None:
    asks(1039, 2, "같은 달 네 장이 모두 든 달은 없다", "석 장이 든 달이 하나 이상")
    rest = comb(48, 7) - fullest()[4]
    assert final_answer(1039, 2) == str(Fraction(fullest()[3], rest))
