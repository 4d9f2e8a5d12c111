"""Extraction questions, read out of the passages in the questions by small parsers."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from .common import match, native_number, question, reference, sino_number


def contract() -> dict[str, Any]:
    """The fields of 1051, parsed from the articles of the contract."""
    text = question(1051, 1)
    keys = match(r"키는 (.+)를 이 순서대로", text)[1].split(", ")

    def won(label: str) -> int:
        return sino_number(match(label + r" 금 (\S+)원정", text)[1])

    deposit, down, middle = won("보증금은"), won("계약금"), won("중도금")
    values: dict[str, Any] = {
        "임대인": match(r"임대인 (\S+?)은 전주시", text)[1],
        "임차인": match(r"를 임차인 (\S+?)에게", text)[1],
        "전용면적": float(match(r"전용면적 ([\d.]+)㎡\)", text)[1]),
        "보증금": deposit,
        "계약금": down,
        "중도금": middle,
        "잔금": deposit - down - middle,
        "월차임": won("차임은 월"),
        "차임납부일": int(match(r"매달 (\d+)일에 낸다", text)[1]),
        "월관리비": won("관리비는 월"),
    }
    assert "보증금의 나머지를 잔금으로" in text
    return {key: values[key] for key in keys}


def same_json(stated: str, expected: dict[str, Any]) -> None:
    pairs = json.loads(stated, object_pairs_hook=list)
    assert pairs == list(expected.items())
    for key, value in pairs:
        assert type(value) is type(expected[key]), key


def check_1051_turn_1() -> None:
    same_json(reference(1051, 1), contract())


def check_1051_turn_2() -> None:
    text = question(1051, 2)
    article = match(r"제5조 (.+)", question(1051, 1))[1]
    step = sino_number(match(r"올린 금액 (\S+) 원마다", article)[1])
    cut = sino_number(match(r"월 차임을 (\S+) 원씩 내리고", article)[1])
    assert "올린 금액은 잔금에 더한다. 계약금과 중도금은 바꾸지 않는다." in article
    fields = contract()
    raised = sino_number(match(r"보증금을 (.+) 원으로 올리기로", text)[1]) - fields["보증금"]
    assert raised > 0 and raised % step == 0
    fields["보증금"] += raised
    fields["잔금"] += raised
    fields["월차임"] -= raised // step * cut
    fields[match(r"'(\S+)'이라는 키", text)[1]] = fields["월차임"] + fields["월관리비"]
    assert fields["계약금"] + fields["중도금"] + fields["잔금"] == fields["보증금"]
    same_json(reference(1051, 2), fields)


def messages(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\S+): (.+)$", text, re.MULTILINE))


def minutes(text: str) -> int:
    """Minutes after midnight of '오후 한 시 십오 분', '낮 열두 시' or '오전 열 시 반'."""
    part, hour, half, minute = match(r"(오전|낮|오후) (\S+) 시(?:에| (반)에| (\S+) 분에)", text).groups()
    hours = native_number(hour) + (12 if part == "오후" and hour != "열두" else 0)
    return hours * 60 + (30 if half else sino_number(minute) if minute else 0)


Guests = dict[str, tuple[int, int]]  # name: (people, minutes after midnight)


def people(text: str) -> int:
    """How many come according to a first message."""
    if "혼자" in text:
        return 1
    if found := re.search(r"저까지 셋이", text):
        return native_number(found[0].removeprefix("저까지 ").removesuffix("이"))
    count = sum(native_number(word) for word in re.findall(r"(?:어른|아이|손주) (\S+?)(?:,|이|을)", text))
    return count + (2 if "우리 내외" in text else 0)


def first_guests() -> Guests:
    coming = {name: text for name, text in messages(question(1052, 1)).items() if "못 가요" not in text}
    return {name: (people(text), minutes(text)) for name, text in coming.items()}


def second_guests() -> Guests:
    guests = first_guests()
    news = messages(question(1052, 2))
    assert set(news) == {"윤아", "복순", "미란", "대현"}
    child, adult = match(r"아이 (\S+)와 어른 (\S+)는 집에", news["윤아"]).groups()
    earlier = native_number(match(r"(\S+) 시간 일찍", news["윤아"])[1]) * 60
    count, at = guests["윤아"]
    guests["윤아"] = (count - native_number(child) - native_number(adult), at - earlier)
    more = native_number(match(r"손주 (\S+)를 더", news["복순"])[1])
    assert "반 시간 늦게" in news["복순"]
    guests["복순"] = (guests["복순"][0] + more, guests["복순"][1] + 30)
    couple = native_number(match(r"남편과 저, (\S+)이 갈 수", news["미란"])[1])
    guests["미란"] = (couple, minutes(news["미란"]))
    cousins = native_number(match(r"사촌 (\S+)을 데려", news["대현"])[1])
    assert "시각은 그대로" in news["대현"]
    guests["대현"] = (guests["대현"][0] + cousins, guests["대현"][1])
    return guests


def rows_of(guests: Guests) -> list[list[str]]:
    return [[name, str(count), f"{at // 60:02}:{at % 60:02}"] for name, (count, at) in guests.items()]


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def check_1052_turn_1() -> None:
    header = match(r"머리글은 '(\S+)'으로", question(1052, 1))[1].split(",")
    assert read_csv(reference(1052, 1)) == [header, *rows_of(first_guests())]


def check_1052_turn_2() -> None:
    header = match(r"머리글은 '(\S+)'으로", question(1052, 1))[1].split(",")
    guests = dict(sorted(second_guests().items(), key=lambda item: item[1][1]))
    assert len({at for _, at in guests.values()}) == len(guests), "the order by time must be unique"
    total = str(sum(count for count, _ in guests.values()))
    assert read_csv(reference(1052, 2)) == [header, *rows_of(guests), ["합계", total, ""]]
