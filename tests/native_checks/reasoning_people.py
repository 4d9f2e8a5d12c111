"""Reasoning about relatives, ages, seats and duties, solved by trying every possibility."""

from __future__ import annotations

import re
from datetime import date
from itertools import permutations

from .common import asks, final_answer, match, native_number, question

ELDERS = {"최만수": "조상", "최만석": "조상", "최영호": "최만수", "최영자": "최만수", "최영선": "최만수"}
YOUNGER = {"최영철": "최만석", "최지민": "최영호", "박도윤": "최영자", "최지우": "최영철", "서연": "최지민"}
PARENT = ELDERS | YOUNGER | {"이준": "최지우", "저": "최영선"}


def lineage(name: str) -> list[str]:
    return [name, *lineage(PARENT[name])] if name in PARENT else [name]


def degree(one: str, other: str) -> int:
    """The number of generations between two people over their nearest common ancestor."""
    mine, yours = lineage(one), lineage(other)
    return min(mine.index(name) + yours.index(name) for name in set(mine) & set(yours))


def at_degree(name: str, distance: int) -> str:
    found = [other for other in PARENT if other != name and degree(name, other) == distance]
    return "·".join(found)


def check_1023_turn_1() -> None:
    asks(
        1023, 1, "외할아버지 최만수", "남동생 최만석", "어머니 최영선 이렇게 삼 남매", "아들 최영철을 두셨",
        "최영호의 딸이 최지민, 최영자의 아들이 박도윤, 최영철의 딸이 최지우", "딸 서연이, 최지우에게는 아들 이준",
    )  # fmt: skip
    names = ("최영철", "최지우", "이준")
    assert final_answer(1023, 1) == ", ".join(f"{name} {degree('저', name)}촌" for name in names)


def check_1023_turn_2() -> None:
    asks(1023, 2, "박도윤과 이준은 몇 촌", "저와 5촌인 사람", "최영호와 5촌인 사람")
    shared = degree("박도윤", "이준")
    mine, uncles = at_degree("저", 5), at_degree("최영호", 5)
    expected = f"박도윤과 이준은 {shared}촌, 저와 5촌인 사람은 {mine}, 최영호와 5촌인 사람은 {uncles}"
    assert final_answer(1023, 2) == expected


MET = date(2001, 5, 10)  # any year would do


def full_years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def birthdays() -> dict[str, date]:
    """The one date of birth that fits what each cousin says in 1025."""
    text = asks(1025, 1, "어느 해 5월 10일", "내일이 생일이에요")
    found = {}
    for name, way, words in re.findall(r"(?m)^- (\S+): 저는 (세는나이로|만으로|연 나이로) (.+?)(?:이고|,)", text):
        age = native_number(words.removesuffix(" 살"))
        said = match(rf"- {name}: .*?(?:생일은 (\d+)월 (\d+)일|(내일)이 생일)", text)
        month, day = (5, 11) if said[3] else (int(said[1]), int(said[2]))
        measure = {
            "세는나이로": lambda born: MET.year - born.year + 1,
            "만으로": lambda born: full_years(born, MET),
            "연 나이로": lambda born: MET.year - born.year,
        }[way]
        years = [year for year in range(MET.year - 40, MET.year) if measure(date(year, month, day)) == age]
        (year,) = years
        found[name] = date(year, month, day)
    assert len(found) == 4
    return found


def check_1025_turn_1() -> None:
    born = birthdays()
    order = sorted(born, key=born.__getitem__)
    pairs = [(a, b) for a in born for b in born if a < b and born[a].year == born[b].year]
    ((one, other),) = pairs
    assert final_answer(1025, 1) == f"{', '.join(order)} / 태어난 해가 같은 사람은 {one}과 {other}"


def check_1025_turn_2() -> None:
    text = question(1025, 2)
    month, day = map(int, match(r"이듬해 (\d+)월 (\d+)일", text).groups())
    assert "세는나이와 만 나이가 두 살 차이" in text
    then = date(MET.year + 1, month, day)
    born = birthdays()
    total = sum(full_years(value, then) for value in born.values())
    apart = [name for name, value in born.items() if then.year - value.year + 1 - full_years(value, then) == 2]
    assert final_answer(1025, 2) == f"만 나이의 합 {total}, 두 살 차이 나는 사람은 {'·'.join(apart)}"


DINERS = ("서 부장", "육 주임", "남 차장", "오 과장", "황 대리", "봉 사원")
SEATS = [(row, place) for row in ("창가 쪽", "벽 쪽") for place in ("안쪽", "가운데", "문 앞")]
DEPTH = {"안쪽": 0, "가운데": 1, "문 앞": 2}
Seat = tuple[str, str]


def faces(one: Seat, other: Seat) -> bool:
    return one[0] != other[0] and one[1] == other[1]


def beside(one: Seat, other: Seat) -> bool:
    return one[0] == other[0] and abs(DEPTH[one[1]] - DEPTH[other[1]]) == 1


def free_on_the_left(seat: Seat, taken: set[Seat]) -> bool:
    """The door is on the left along the window, on the right along the wall."""
    step = 1 if seat[0] == "창가 쪽" else -1
    return all((other[0], DEPTH[other[1]]) != (seat[0], DEPTH[seat[1]] + step) for other in taken)


def seating() -> dict[str, Seat]:
    asks(
        1026, 1, "창가 쪽에 앉은 사람에게는 문이 왼쪽에 있고", "서 부장은 안쪽 자리에, 봉 사원은 문 앞자리에",
        "두 사람은 같은 줄이 아닙니다", "왼쪽 옆자리에 아무도 없어야", "봉 사원의 맞은편은 남 차장",
        "봉 사원과 육 주임은 옆자리가 아닙니다",
    )  # fmt: skip
    found = []
    for order in permutations(SEATS):
        at = dict(zip(DINERS, order, strict=True))
        chief, junior = at["서 부장"], at["봉 사원"]
        if (
            chief[1] == "안쪽" and junior[1] == "문 앞" and chief[0] != junior[0]
            and free_on_the_left(at["오 과장"], set(SEATS))
            and faces(junior, at["남 차장"]) and not beside(junior, at["육 주임"])
        ):  # fmt: skip
            found.append(at)
    (at,) = found
    return at


def check_1026_turn_1() -> None:
    sitting = {seat: name for name, seat in seating().items()}
    rows = [f"{row} 안쪽부터 " + "·".join(sitting[row, place] for place in DEPTH) for row in ("창가 쪽", "벽 쪽")]
    assert final_answer(1026, 1) == ", ".join(rows)


def check_1026_turn_2() -> None:
    asks(1026, 2, "봉 사원이 먼저 일어나", "탁 상무를 안쪽 자리에", "서 부장이 그 맞은편", "왼손잡이인 사정은 그대로")
    before = seating()
    names = [name for name in DINERS if name != "봉 사원"]
    ways = []
    for order in permutations(SEATS):
        at = dict(zip([*names, "탁 상무"], order, strict=True))
        if (
            at["탁 상무"][1] == "안쪽"
            and faces(at["탁 상무"], at["서 부장"])
            and free_on_the_left(at["오 과장"], set(SEATS))
        ):
            ways.append(({name for name in names if at[name] != before[name]}, at))
    least = min(len(moved) for moved, _ in ways)
    ((moved, at),) = [way for way in ways if len(way[0]) == least]
    assert least == 2 and moved == {"오 과장", "남 차장"}
    seat = {name: " ".join(place) for name, place in at.items()}
    expected = f"두 명(오 과장은 {seat['오 과장']}으로, 남 차장은 {seat['남 차장']}으로), 탁 상무는 {seat['탁 상무']}"
    assert final_answer(1026, 2) == expected


DAYS = "월화수목금"
MATES = ("나윤", "도겸", "라희", "민재", "수호")


def rosters() -> list[dict[str, str]]:
    """Every roster (day: person) that 1030 allows."""
    asks(
        1030, 1, "나윤은 월요일과 수요일에 야근", "도겸, 민재, 수호는 금요일에 집을 비워",
        "라희는 수호보다 앞선 요일", "민재와 나윤의 당번은 이어진 요일이면 안 돼",
    )  # fmt: skip
    found = []
    for order in permutations(MATES):
        at = {name: day for day, name in enumerate(order)}
        if (
            at["나윤"] not in (0, 2)
            and all(at[name] != 4 for name in ("도겸", "민재", "수호"))
            and at["라희"] < at["수호"]
            and abs(at["민재"] - at["나윤"]) != 1
        ):
            found.append(dict(zip(DAYS, order, strict=True)))
    return found


def stated_roster() -> dict[str, str]:
    return dict(part.split(" ") for part in final_answer(1030, 1).split(", "))


def check_1030_turn_1() -> None:
    assert stated_roster() in rosters()  # any of them is right


def check_1030_turn_2() -> None:
    asks(1030, 2, "민재가 화요일도 어렵다", "도겸과 라희의 당번도 이어진 요일이면 안 된다")
    allowed = rosters()
    left = []
    for roster in allowed:
        order = list(roster.values())
        if roster["화"] != "민재" and abs(order.index("도겸") - order.index("라희")) != 1:
            left.append(", ".join(f"{day} {name}" for day, name in roster.items()))
    first, *stated, last = final_answer(1030, 2).split(" / ")
    assert first == f"처음 조건으로는 {len(allowed)}가지"
    assert sorted(text.removeprefix("새 조건으로는 ") for text in stated) == sorted(left)
    usable = final_answer(1030, 1) in left
    assert last == f"앞의 당번표는 {'쓸 수 있다' if usable else '쓸 수 없다'}"
