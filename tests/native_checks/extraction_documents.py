"""Extraction from a recipe, an obituary, minutes, terms of use and a chat, derived from what these say."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

from .common import asks, match, native_number, question, reference, sino_number
from .extraction import read_csv

SIZES = {"근": 600, "그램": 1, "컵": 200, "큰술": 15, "작은술": 5}
WEIGHTS = ("근", "그램")
SAID = (  # ingredient, and how much of it as the text says
    ("돼지고기", "돼지고기 반 근"), ("청주", "청주 두 큰술"), ("김치", "김치는 한 근 반"), ("두부", "두부는 이백 그램"),
    ("참기름", "참기름 한 큰술"), ("쌀뜨물", "쌀뜨물 세 컵 반"), ("고춧가루", "고춧가루 두 큰술"),
    ("국간장", "국간장 두 작은술"), ("참기름", "참기름 한 작은술"),
)  # fmt: skip


def amounts() -> dict[str, tuple[int, str]]:
    text = asks(1055, 1, "같은 재료가 다시 나오면", "한 근은 600g, 한 컵은 200mL, 한 큰술은 15mL, 한 작은술은 5mL")
    assert [text.index(phrase) for _, phrase in SAID] == sorted(text.index(phrase) for _, phrase in SAID)
    assert len(re.findall("(?:근|그램|컵|큰술|작은술)", text.split("\n\n")[1])) == len(SAID)
    found: dict[str, tuple[int, str]] = {}
    for name, phrase in SAID:
        _, number, unit, *half = phrase.split()
        if number == "반":
            count = 0.5
        elif unit == "그램":
            count = sino_number(number)
        else:
            count = native_number(number) + (0.5 if half else 0)
        before = found.get(name, (0, ""))[0]
        found[name] = (before + int(count * SIZES[unit]), "g" if unit in WEIGHTS else "mL")
    return found


def check_1055_turn_1() -> None:
    rows = [[name, str(amount), unit] for name, (amount, unit) in amounts().items()]
    assert read_csv(reference(1055, 1)) == [["재료", "분량", "단위"], *rows]


def check_1055_turn_2() -> None:
    asks(1055, 2, "4인분", "6인분으로 늘리되 참기름과 국간장은 4인분 분량 그대로", "쌀뜨물은 늘린 양보다 한 컵 적게")
    grown = []
    for name, (amount, unit) in amounts().items():
        more = amount if name in ("참기름", "국간장") else amount * 6 // 4
        grown.append([name, more - (200 if name == "쌀뜨물" else 0), unit])
    grown.sort(key=lambda row: (row[2] != "g", -int(row[1])))
    assert read_csv(reference(1055, 2)) == [["재료", "분량", "단위"], *([n, str(a), u] for n, a, u in grown)]


def obituary() -> dict[str, Any]:
    text = asks(1056, 1, "상주는 장남과 사위가 맡습니다", "별세하신 날부터 사흘째 되는 날 아침 6시 반", "여든셋")
    family = dict(re.findall(r"(장남|장녀|사위) (\S+) 님", text))
    died = re.search(r"(\d)월 (\d)일 밤 11시 40분", text)
    assert died
    day = date(2001, int(died[1]), int(died[2]))
    return {
        "고인": match(r"부친 (\S+) 님께서", text)[1], "향년": 83,
        "상주": [f"{who} {family[who]}" for who in ("장남", "사위")],
        "장소": match(r"빈소는 (\S+ \S+) (\S+)이며", text)[1], "빈소": match(r"빈소는 (\S+ \S+) (\S+)이며", text)[2],
        "별세": f"{day:%m-%d} 23:40", "발인": f"{day + timedelta(days=2):%m-%d} 06:30", "장지": None,
    }  # fmt: skip


def same(stated: str, expected: dict[str, Any]) -> None:
    assert list(json.loads(stated).items()) == list(expected.items())


def check_1056_turn_1() -> None:
    same(reference(1056, 1), obituary())


def check_1056_turn_2() -> None:
    text = asks(1056, 2, "두 시간 늦게 시작", "발인은 하루 늦추어 같은 시각", "장남, 장녀, 사위로")
    notice = obituary()
    daughter = match(r"장녀 (\S+) 님", question(1056, 1))[1]
    notice["상주"].insert(1, f"장녀 {daughter}")
    notice["빈소"] = match(r"특2호실에서 (\S+)로 바뀌었고", text)[1]
    last = date(2001, 3, 9)
    assert notice["발인"] == f"{last - timedelta(days=1):%m-%d} 06:30"
    notice["발인"] = f"{last:%m-%d} 06:30"
    notice["장지"] = match(r"장지는 (\S+ \S+)입니다", text)[1]
    assert "3월 7일 오전 10시부터" in question(1056, 1)
    notice["조문시간"] = ((last - date(2001, 3, 7)).days * 24 * 60 + 6 * 60 + 30 - 12 * 60) / 60
    same(reference(1056, 2), notice)


WEEK = "월화수목금토일"


def weekday(day: int) -> str:
    """Of a day in the month of 1057, whose 8th is a Wednesday."""
    return WEEK[(day - 8 + 2) % 7]


def tasks(moved: bool) -> list[tuple[int, str, str]]:
    """(day, who, what) of 1057 in the order of the minutes; `moved` by the mail of the second turn."""
    asks(
        1057, 1, "3월 8일(수)", "'현수막 시안'은 제가 이번 주 금요일까지", "'현수막 시안'은 사흘만 늦추",
        "다음 주 화요일까지", "이틀 뒤까지", "열흘 뒤에 가고", "행사 사흘 전", "이달 마지막 토요일",
        "소율 씨 말고 이안 씨", "기념품은 올해 생략", "행사 전날까지",
    )  # fmt: skip
    event = max(day for day in range(1, 32) if weekday(day) == "토") - (7 if moved else 0)
    banner = next(day for day in range(8, 15) if weekday(day) == "금") + 3
    invite = next(day for day in range(13, 20) if weekday(day) == "화") + (1 if moved else 0)
    return [
        (banner, "이안", "현수막 시안"), (invite, "소율", "강사 섭외"), (invite + 2, "이안", "강사료 품의"),
        (8 + 10, "소율" if moved else "재하", "장소 답사"), (event - 3, "재하", "안내 문자"),
        (event - 1, "재하", "다과 주문"),
    ]  # fmt: skip


def check_1057_turn_1() -> None:
    rows = [[who, what, f"03-{day:02}"] for day, who, what in sorted(tasks(moved=False), key=lambda task: task[0])]
    assert read_csv(reference(1057, 1)) == [["담당", "할 일", "마감"], *rows]


def check_1057_turn_2() -> None:
    asks(1057, 2, "한 주 앞당깁니다", "하루 더 드릴 테니", "답사는 소율 씨가", "바로 앞의 금요일로")
    pulled = [(day - max(0, WEEK.index(weekday(day)) - 4), who, what) for day, who, what in tasks(moved=True)]
    rows = [[who, what, f"03-{day:02}", weekday(day)] for day, who, what in sorted(pulled, key=lambda task: task[0])]
    assert read_csv(reference(1057, 2)) == [["담당", "할 일", "마감", "요일"], *rows]


MEMBERS = {  # months bought, discount in per cent, days used (None: not begun), certificate
    "가온": (6, 0, 70, False), "나래": (3, 20, None, False), "다온": (6, 10, 90, True), "라온": (1, 0, 5, True),
    "마루": (3, 0, 20, False),
}  # fmt: skip


def refund(name: str, by_day: bool) -> int:
    months, discount, used, certificate = MEMBERS[name]
    text = question(1059, 1)
    prices = dict(zip((1, 3, 6), re.findall(r"(?:한 달|석 달|여섯 달) (\d+만) 원", text)[:3], strict=True))
    single = sino_number(prices[1])
    price = sino_number(prices[months]) * (100 - discount) // 100
    if used is None:
        return price
    cost = used * 2000 if by_day else -(-used // 30) * single
    fee = 0 if certificate and months > 1 else price // 10
    return max(0, price - cost - fee)


def check_1059_turn_1() -> None:
    asks(
        1059, 1, "여섯 달 회원권을 사서 두 달 하고 열흘", "20% 할인받아 샀고, 아직 한 번도",
        "10% 할인받아 샀고, 꼭 석 달", "한 달 회원권을 사서 닷새", "스무 날을 다니다가 감기",
        "한 달 회원권에는 제3조를 그대로",
    )  # fmt: skip
    same(reference(1059, 1), {name: refund(name, by_day=False) for name in MEMBERS})


def check_1059_turn_2() -> None:
    asks(1059, 2, "하루마다 2천 원씩", "한 달은 30일로")
    now = {name: refund(name, by_day=True) for name in MEMBERS}
    same(reference(1059, 2), {name: [now[name], now[name] - refund(name, by_day=False)] for name in MEMBERS})


Deal = tuple[str, int, str]  # who buys, price, how it is handed over


def deals() -> dict[str, Deal]:
    """The state of each sale of 1060, as each line of the chat changes it."""
    text = asks(1060, 1, "전기밥솥 4.5, 선풍기 2만, 책장 3만, 어린이 자전거 5만", "택배비를 뺀 물건값")
    asked = {"전기밥솥": 45_000, "선풍기": 20_000, "책장": 30_000, "어린이 자전거": 50_000}
    state: dict[str, Deal] = {}
    for line in text.split("\n\n")[1].splitlines():
        if "그럼 그 값에 할게요. 택배로" in line:
            state["전기밥솥"] = ("봄이", asked["전기밥솥"] - 3_000, "택배")
        elif "좋아요! 둘 다 직거래로" in line:
            cut = asked["선풍기"] + asked["책장"] - 46_000
            state |= {"선풍기": ("한솔", asked["선풍기"], "직거래"), "책장": ("한솔", asked["책장"] - cut, "직거래")}
        elif "부른 값 그대로 택배로요" in line:
            state["어린이 자전거"] = ("두리", asked["어린이 자전거"], "택배")
        elif "선풍기는 못 사겠어요" in line:
            del state["선풍기"]
        elif "네, 괜찮아요." in line:
            state["책장"] = ("한솔", asked["책장"], "직거래")
        elif "밥솥이랑 같이 받을게요. 처음 값" in line:
            state["선풍기"] = ("봄이", asked["선풍기"], "택배")
        elif "그럼 그렇게 할게요!" in line:
            state["어린이 자전거"] = ("두리", asked["어린이 자전거"] - 10_000, "직거래")
    return {name: state[name] for name in asked if name in state}


def check_1060_turn_1() -> None:
    rows = [[name, str(price), how] for name, (_, price, how) in deals().items()]
    assert read_csv(reference(1060, 1)) == [["물건", "값", "넘기는 방법"], *rows]


def check_1060_turn_2() -> None:
    asks(1060, 2, "하나면 4천 원, 둘이면 5,500원", "선풍기는 한솔 님께 2천 원 빼서 직거래로", "책장은 다시 내놓을게요")
    state = deals()
    del state["책장"]
    state["선풍기"] = ("한솔", state["선풍기"][1] - 2_000, "직거래")
    owed: dict[str, tuple[str, int]] = {}
    for buyer in ("봄이", "한솔", "두리"):
        bought = {name: deal for name, deal in state.items() if deal[0] == buyer}
        parcels = sum(deal[2] == "택배" for deal in bought.values())
        (name,) = bought
        owed[buyer] = (name, sum(deal[1] for deal in bought.values()) + (0, 4_000, 5_500)[parcels])
    rows = [[buyer, name, str(money)] for buyer, (name, money) in owed.items()]
    total = sum(money for _, money in owed.values())
    assert read_csv(reference(1060, 2)) == [["산 사람", "물건", "낼 돈"], *rows, ["합계", "", str(total)]]
