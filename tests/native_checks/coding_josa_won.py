"""Oracles for attach_josa (1041), parse_won and settle (1042) that work in another way than the references."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

from .submission import ERROR, Case, Check

# 1041: particles. The oracle decomposes by Unicode normalisation and writes numbers out in full.

PAIRS = ("은/는", "이/가", "을/를", "과/와", "으로/로")
CLOSERS = ")]'\"’”」』"


def oracle_particle(spoken: str, word: str, pair: str) -> list[Any]:
    letters = unicodedata.normalize("NFD", spoken[-1])
    closed = len(letters) == 3
    if pair == "으로/로" and letters[-1] == "\u11af":
        closed = False
    return ["str", word + pair.split("/")[0 if closed else 1]]


def read_aloud(number: int) -> str:
    if number == 0:
        return "영"
    spoken = ""
    for power, large in ((12, "조"), (8, "억"), (4, "만"), (0, "")):
        section = number // 10**power % 10**4
        for digit, small in zip(f"{section:04}", "천백십 ", strict=True):
            if digit != "0":
                spoken += "영일이삼사오육칠팔구"[int(digit)] + small.strip()
        spoken += large if section else ""
    return spoken


def particle_cases_1() -> list[Case]:
    rng = random.Random(1041)
    words = [
        "사과",
        "서울",
        "부산",
        "꿀",
        "값",
        "닭",
        "밟",
        "A형",
        "힣",
        "가",
        "딸기 우유",
        "왜",
        "맛있는 귤",
    ]
    words += [chr(rng.randrange(ord("가"), ord("힣") + 1)) for _ in range(200)]
    words += ["상품" + chr(ord("가") + 28 * rng.randrange(399) + final) for final in range(28)]
    cases: list[Case] = [([w, pair], oracle_particle(w, w, pair)) for w in words for pair in PAIRS]
    bad = ["", "ㄱ", "아ㅏ", "abc", "귤 ", "\u1100\u1161", "제품 3", "한라봉)", "漢", "\ud7a4"]
    cases += [([w, "은/는"], ERROR) for w in bad]
    return cases + [(["귤", pair], ERROR) for pair in ("는/은", "은", "", "로/으로", "아/야")]


def particle_cases_2() -> list[Case]:
    rng = random.Random(10412)
    numbers = [*range(0, 131), *(10**p for p in range(16)), *(2 * 10**p for p in range(16)), 10**16 - 1]
    numbers += [rng.randrange(10**p) * 10 ** rng.randrange(0, 16 - p) for p in range(1, 16) for _ in range(8)]
    cases: list[Case] = []
    for number in numbers:
        zeros = "0" * rng.choice((0, 0, 2))
        word = rng.choice(("제품 ", "", "x", "3.", "사과(")) + zeros + str(number)
        word += "".join(rng.choices(CLOSERS, k=rng.choice((0, 1, 3))))
        cases += [([word, pair], oracle_particle(read_aloud(number), word, pair)) for pair in PAIRS]
    for closer in [*CLOSERS, CLOSERS, CLOSERS[::-1]]:
        cases += [(["(" + w + closer, p], oracle_particle(w, "(" + w + closer, p)) for w in ("귤", "감", "배")
                  for p in PAIRS]  # fmt: skip
    for bad in (")", "\"'", "abc)", "귤 )", "귤!", "３", "²", "귤(", "제품 3 ", "1,", "", "ㄱ)"):
        cases.append(([bad, "이/가"], ERROR))
    cases += [case for case in particle_cases_1() if case[0][0] not in ("제품 3", "한라봉)")]
    return cases


# 1042: amounts of money. The oracle is never asked to parse: each amount is written from its value.


def write_won(rng: random.Random) -> tuple[str, int]:
    value, parts, bare = 0, [], rng.random() < 0.2
    for power, large in ((8, "억"), (4, "만"), (0, "")):
        if rng.random() < 0.3:
            continue
        digits = [rng.choice((0, 0, 1, rng.randrange(10))) for _ in range(4)]
        section = int("".join(map(str, digits)))
        if section == 0:
            continue
        value += section * 10**power
        if section == 1 and large and bare:
            parts.append(large)
        elif rng.random() < 0.4:
            parts.append(f"{section:,}" + large)
        else:
            spelt = ""
            for digit, small in zip(digits, ("천", "백", "십", ""), strict=True):
                if digit == 1 and small and rng.random() < 0.5:
                    spelt += small
                elif digit:
                    spelt += f"{digit}{small}" + rng.choice(("", " "))
            parts.append(spelt + large)
    text = rng.choice(("", " ")).join(parts) or "0"
    return rng.choice(("", "  ")) + text + rng.choice(("", "원", " 원")) + rng.choice(("", " ")), value


def won_cases() -> list[Case]:
    stated = {
        "12,500원": 12_500, "3만 5천원": 35_000, "1억 2천3백만 원": 123_000_000, "12만 3,400": 123_400,
        "천만 원": 10_000_000, "1억 만": 100_010_000, "0": 0, "0원": 0, "0만 5천원": 5_000, "십": 10,
        "만": 10_000, "억": 100_000_000, "천백십 원": 1_110, "2천 500": 2_500, "천 5백만": 15_000_000,
        "1,234,567": 1_234_567, " 1 2 3 원 ": 123, "10억 원": 10**9, "천억": 10**11,
        "3백20만 7": 3_200_007, "9천9백9십9": 9_999,
    }  # fmt: skip
    rng = random.Random(1042)
    pairs = [*stated.items(), *(write_won(rng) for _ in range(600))]
    cases: list[Case] = [([text], ["int", value]) for text, value in pairs]
    bad = (
        "",
        " ",
        "원",
        "삼천원",
        "3만원 5천",
        "5천원원",
        "1.5만",
        "-500원",
        "약 3만원",
        "3만 5천won",
        "원 5천",
        "３만",
    )
    return cases + [([text], ERROR) for text in bad]


def settle_case(rng: random.Random) -> Case:
    names = rng.sample(["지은", "민호", "Ann", "김 총무", "하늘", "도윤", "서현"], k=rng.randrange(1, 8))
    lines, log = ["# 이름 | 항목 | 금액"], []
    for name in [*names, *rng.choices(names, k=rng.randrange(4))]:
        text, value = write_won(rng) if rng.random() < 0.7 else ("0원", 0)
        log.append((name, value))
        lines.append(rng.choice(("", "  ")) + name + rng.choice(("|고깃집|", " | 2차 | ", "  |  | ")) + text)
        lines += rng.choice(([], [""], ["   "], ["  # 메모 | 3만"]))
    owed = dict.fromkeys(names, 0)
    total = sum(value for _, value in log)
    everyone = list(owed)
    for name in everyone:
        owed[name] = total // len(names)
    for turn in range(total - sum(owed.values())):  # hand the rest out one won at a time
        owed[everyone[turn % len(everyone)]] += 1
    return ["\n".join(lines)], ["dict", [[n, sum(v for m, v in log if m == n) - owed[n]] for n in names]]


def settle_cases() -> list[Case]:
    rng = random.Random(10422)
    cases = [settle_case(rng) for _ in range(300)]
    cases += [([text], ["dict", []]) for text in ("", "\n \n", "# 지은 | 밥 | 3만 원\n")]
    cases.append((["나 | 밥 | 100원\n가 | 차 | 0원\n다 | 차 | 0원"], ["dict", [["나", 66], ["가", -33], ["다", -33]]]))
    bad = (
        "지은 | 3만원",
        "지은 | 밥 | 3만 | 원",
        "지은 | 밥 | 삼만원",
        "지은 | 밥 | ",
        "지은 | 밥 | 1만\n총합",
        "지은 # 밥",
    )
    return cases + [([text], ERROR) for text in bad]


CHECKS = (
    Check(1041, 1, "attach_josa", particle_cases_1),
    Check(1041, 2, "attach_josa", particle_cases_2),
    Check(1042, 1, "parse_won", won_cases),
    Check(1042, 2, "settle", settle_cases),
)
