"""Reasoning questions, solved by trying every possibility."""

from __future__ import annotations

import re
from itertools import permutations

from .common import final_answer, match, native_number, question

SIGNS = ("쥐", "소", "범", "토끼", "용", "뱀", "말", "양", "원숭이", "닭", "개", "돼지")
Family = tuple[tuple[str, int], ...]  # (name, year of birth), oldest first


def sibling_families() -> set[Family]:
    """Every way to satisfy the statements of 1021; the oldest is born in one of the years 0 to 11."""
    text = question(1021, 1)
    names = match(r"^(.+)는 네 남매입니다", text)[1].split(", ")
    signs = match(r"네 사람의 띠는 (.+)가 하나씩", text)[1].split(", ")
    indexes = [SIGNS.index(sign.removesuffix("띠")) for sign in signs]
    span = native_number(match(r"나이 차이는 (\S+) 살이 되지 않습니다", text)[1])
    gap = native_number(match(r"둘째와 셋째는 (\S+) 살 차이", text)[1])
    older, younger, years = match(r"- (\S+)는 (\S+)보다 (\S+) 살 많습니다", text).groups()
    first, second = match(r"- (\S+)는 (\S+)보다 나이가 많습니다", text).groups()
    denied, sign = match(r"- (\S+)는 (\S+)띠가 아닙니다", text).groups()
    found: set[Family] = set()
    for order in permutations(indexes):
        for turns in range(3**4):
            born = {
                name: index + 12 * (turns // 3**place % 3)
                for place, (name, index) in enumerate(zip(names, order, strict=True))
            }
            family = tuple(sorted(born.items(), key=lambda item: item[1]))
            year = [value for _, value in family]
            if (
                0 <= year[0] < 12
                and year[3] - year[0] < span
                and year[2] - year[1] == gap
                and born[younger] - born[older] == native_number(years)
                and born[first] < born[second]
                and born[denied] % 12 != SIGNS.index(sign)
            ):
                found.add(family)
    return found


def check_1021_turn_1() -> None:
    (family,) = sibling_families()
    listed = ", ".join(f"{name}({SIGNS[year % 12]}띠)" for name, year in family)
    span = family[-1][1] - family[0][1]
    assert final_answer(1021, 1) == f"{listed}, 맏이와 막내는 {span}살 차이"


def check_1021_turn_2() -> None:
    text = question(1021, 2)
    (family,) = sibling_families()
    years = [year for _, year in family]
    assert "어머니는 셋째와 띠가 같고" in text
    low, high = match(r"어머니와 맏이의 나이 차이는 (\S+) 살 이상 (\S+) 살 이하입니다", text).groups()
    older = native_number(match(r"아버지는 어머니보다 (\S+) 살 많습니다", text)[1])
    mothers = [
        years[0] - difference
        for difference in range(native_number(low), native_number(high) + 1)
        if (years[0] - difference) % 12 == years[2] % 12
    ]
    (mother,) = mothers
    father = mother - older
    expected = f"아버지는 {SIGNS[father % 12]}띠이고 막내보다 {years[3] - father}살 많다"
    assert final_answer(1021, 2) == expected


WEEK = "월화수목금토일"


def markets() -> dict[str, list[int]]:
    """Days of a month on which each market of 1022 stands; none on the 31st."""
    text = question(1022, 1)
    assert "31일에는 어느 장도 서지 않습니다" in text
    ends = re.findall(r"(\d)(?:이)?나 (\d)인 날에는 (\S+장)", text)
    assert len(ends) == 4
    return {name: [d for d in range(1, 31) if str(d)[-1] in (one, two)] for one, two, name in ends}


def first_days() -> list[int]:
    """Weekdays of the 1st for which no 나루장 fell on a Sunday."""
    text = question(1022, 1)
    assert "30일까지 있는 어느 달에 나루장이 일요일에 선 적이 한 번도 없었습니다" in text
    return [w for w in range(7) if all(WEEK[(w + d - 1) % 7] != "일" for d in markets()["나루장"])]


def check_1022_turn_1() -> None:
    assert "마루장이 토요일에 선 날은 며칠" in question(1022, 1)
    (first,) = first_days()
    (day,) = [d for d in markets()["마루장"] if WEEK[(first + d - 1) % 7] == "토"]
    assert final_answer(1022, 1) == f"1일은 {WEEK[first]}요일, 마루장이 토요일에 선 날은 {day}일"


def check_1022_turn_2() -> None:
    text = question(1022, 2)
    assert "다음 달은 31일까지" in text and "나루장에서 나물을 산 다음" in text
    free = match(r"그달에 (\S+)요일에만", text)[1].split("·")
    bought, sold = map(int, match(r"사흘 뒤까지\((\d+)일에 샀다면 (\d+)일까지\)", text).groups())
    assert sold - bought == 3
    buyers = match(r"(\S+)이나 (\S+) 가운데 한 곳에서", text).groups()
    (last,) = first_days()
    first = last + 30

    def weekday(day: int) -> str:
        return WEEK[(first + day - 1) % 7]

    trips = [
        (buy, sell, place)
        for buy in markets()["나루장"]
        for place in buyers
        for sell in markets()[place]
        if weekday(buy) in free and weekday(sell) in free and 0 <= sell - buy <= sold - bought
    ]
    ((buy, sell, place),) = trips
    expected = f"{buy}일({weekday(buy)}) 나루장에서 사서 {sell}일({weekday(sell)}) {place}에서 판다"
    assert final_answer(1022, 2) == expected
