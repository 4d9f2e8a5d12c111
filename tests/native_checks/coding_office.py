"""Oracles for business numbers (1044), deadlines (1048), a ledger (1049) and an exported chat (1050)."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from .submission import ERROR, Case, Check


def check_digit(nine: str) -> str:
    """The tenth digit that belongs to nine, found by trying all ten."""
    for last in range(10):
        total = sum(int(d) * w for d, w in zip(nine, (1, 3, 7) * 3, strict=True)) - int(nine[8]) * 2
        if (total + int(nine[8]) // 2 + last) % 10 == 0:  # weights 1, 3, 5 at the end; 5 d // 10 is d // 2
            return str(last)
    raise AssertionError(nine)


def business_number(rng: random.Random, valid: bool) -> str:
    nine = "".join(rng.choices("0123456789", k=9))
    right = check_digit(nine)
    return nine + (right if valid else str((int(right) + rng.randrange(1, 10)) % 10))


def hyphened(number: str) -> str:
    return f"{number[:3]}-{number[3:5]}-{number[5:]}"


def number_cases() -> list[Case]:
    rng = random.Random(1044)
    cases: list[Case] = []
    for at in range(400):
        number = business_number(rng, valid=at % 2 == 0)
        cases.append(([rng.choice((number, hyphened(number)))], ["bool", at % 2 == 0]))
    good = business_number(rng, valid=True)
    shaped = hyphened(good)
    wide = good.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    bad = ["", good + "\n", " " + good, shaped + " ", good[:-1], good + "0", shaped.replace("-", " ")]
    bad += [good[:3] + "-" + good[3:], shaped.replace("-", "–"), wide, shaped + "\n", "abcdefghij"]
    return cases + [([text], ["bool", False]) for text in bad]


def mail_cases() -> list[Case]:
    rng = random.Random(10442)
    pool = [business_number(rng, valid=True) for _ in range(6)] + [business_number(rng, valid=False) for _ in range(3)]
    cases: list[Case] = []
    for _ in range(300):
        text, expected = "", {}
        for _ in range(rng.randrange(6)):
            number = rng.choice(pool)
            before = rng.choice(("번호는 ", "(", "사업자", "\n", "A"))
            after = rng.choice(("입니다", ")", ".", "\n", "B "))
            if rng.random() < 0.25:
                before, after = rng.choice((("7", " "), (" ", "1"), ("-", " "), (" ", "-"), (" ", "-1 ")))
            elif number in pool[:6]:
                expected[hyphened(number)] = None
            text += " " + before + rng.choice((number, hyphened(number))) + after + " "
        cases.append(([text], ["list", list(expected)]))
    return cases


def brute_deadline(received: str, days: int, off: set[date]) -> date:
    start = date.fromisoformat(received)
    ahead = [start + timedelta(days=n) for n in range(1, 400)]
    return [day for day in ahead if day.isoweekday() not in (6, 7) and day not in off][days - 1]


def some_day(rng: random.Random, spread: int = 60) -> str:
    return (date(2003, 12, 1) + timedelta(days=rng.randrange(spread))).isoformat()


def deadline_cases() -> list[Case]:
    rng = random.Random(1048)
    cases: list[Case] = []
    for _ in range(300):
        received, days = some_day(rng), rng.randrange(1, 30)
        holidays = [some_day(rng) for _ in range(rng.randrange(12))]
        off = {date.fromisoformat(day) for day in holidays}
        cases.append(([received, days, holidays], ["str", brute_deadline(received, days, off).isoformat()]))
    return cases + [([some_day(rng), bad, []], ERROR) for bad in (0, -1)]


def substitute_days(holidays: dict[str, str], plain: list[str]) -> list[date]:
    taken = {date.fromisoformat(day) for day in holidays.values()}
    many = Counter(holidays.values())
    found: list[date] = []
    for day in sorted(taken):
        names = {name for name, when in holidays.items() if when == day.isoformat()}
        if names - set(plain) and (day.isoweekday() > 5 or many[day.isoformat()] > 1):
            new = day
            while new in taken or new in found or new.isoweekday() > 5:
                new += timedelta(days=1)
            found.append(new)
    return sorted(found)


def holiday_year(rng: random.Random) -> tuple[dict[str, str], list[str]]:
    every = ["설", "한글날", "개천절", "성탄절", "창립일", "새해 첫날", "총회", "잔치"]
    names = rng.sample(every, k=rng.randrange(1, 9))
    holidays = {name: some_day(rng, 16) for name in names}
    return holidays, [name for name in names if rng.random() < 0.35]


def substitute_cases() -> list[Case]:
    rng = random.Random(10482)
    cases: list[Case] = []
    for _ in range(500):
        holidays, plain = holiday_year(rng)
        cases.append(([holidays, plain], ["list", [day.isoformat() for day in substitute_days(holidays, plain)]]))
    return [*cases, ([{}, []], ["list", []])]


def second_deadline_cases() -> list[Case]:
    rng = random.Random(10483)
    cases: list[Case] = []
    for _ in range(300):
        holidays, plain = holiday_year(rng)
        received, days = some_day(rng, 20), rng.randrange(1, 12)
        off = {date.fromisoformat(day) for day in holidays.values()} | set(substitute_days(holidays, plain))
        answer = brute_deadline(received, days, off).isoformat()
        cases.append(([received, days, holidays, plain], ["str", answer]))
    return cases


def ledger(rng: random.Random) -> list[str]:
    names = rng.sample(["지수", "한결", "Ann", "보라"], k=rng.randrange(1, 5))
    months, amounts = rng.sample(range(1, 13), k=4), (0, 5000, 10000, 20000)
    rows = range(rng.randrange(9))
    return [f"{rng.choice(months)}월,{rng.choice(names)},{rng.choice(amounts)}" for _ in rows]


def month_totals(lines: list[str]) -> list[list[Any]]:
    rows = [line.split(",") for line in lines]
    totals = [[f"{month}월", [int(a) for m, _, a in rows if m == f"{month}월"]] for month in range(1, 13)]
    return [[month, sum(amounts)] for month, amounts in totals if amounts]


def total_cases() -> list[Case]:
    rng = random.Random(1049)
    ledgers = [ledger(rng) for _ in range(200)] + [[], ["2월,지수,10000", "10월,한결,15000"]]
    return [([lines], ["dict", month_totals(lines)]) for lines in ledgers]


def unpaid_cases() -> list[Case]:
    rng = random.Random(10492)
    cases: list[Case] = []
    for _ in range(300):
        lines, fee = ledger(rng), rng.choice((5000, 10000, 15000))
        people = dict.fromkeys(line.split(",")[1] for line in lines)
        owing = []
        for name in people:
            own = dict(month_totals([line for line in lines if line.split(",")[1] == name]))
            months = [month for month, _ in month_totals(lines) if own.get(month, 0) < fee]
            owing += [[name, months]] if months else []
        cases.append(([lines, fee], ["dict", owing]))
    return cases


WEEKDAYS = "월화수목금토일"
CONTINUED = (
    "", "이어지는 줄", "[참고] 계좌", "[엄마] [오전 13:00] x", "[엄마] [새벽 1:00] x", "[] [오전 1:00] x",
    "[] [오전 1:00] [오후 2:00] x", "-" * 15,
    "[엄마] [오전 01:00] x", "[엄마] [오전 1:0] x", "[엄마] [오전 0:10] x", "[엄마][오전 1:00] x",
    " [엄마] [오전 1:00] x",
    *(f"{'-' * before} 2000년 3월 5일 일요일 {'-' * after}" for before, after in ((16, 16), (14, 15))),
)  # fmt: skip
"""Lines that look like the start of something and are not."""
SPEAKERS = ("엄마", "[총무] 박 대리", "김]이", "지우", "오전 [1:00")


def chat(rng: random.Random) -> tuple[str, list[list[str]]]:
    """An exported chat, written from the messages that it must be read as."""
    lines, messages, started = [], [], False
    day = date(2000, 2, 27)
    if rng.random() < 0.4:
        lines += ["저장한 날짜", "", "[엄마] [오전 1:00] 날짜보다 앞"]
    for _ in range(rng.randrange(4)):
        day += timedelta(days=rng.randrange(3))
        lines.append(f"{'-' * 15} {day.year}년 {day.month}월 {day.day}일 {WEEKDAYS[day.weekday()]}요일 {'-' * 15}")
        started = False
        minute = rng.randrange(700)
        for _ in range(rng.randrange(6)):
            if rng.random() < 0.35:
                extra = rng.choice(CONTINUED)
                lines.append(extra)
                if started:
                    messages[-1][3] += "\n" + extra
                continue
            minute = min(1439, max(0, minute + rng.choice((-30, 0, 1, 60, 60, 400))))
            hour, rest = divmod(minute, 60)
            name = rng.choice(SPEAKERS)
            content = rng.choice(("응", "", "  띄고", "[지우] [오후 3:05] 라고 했어", "a] [오전 2:00] b"))
            lines.append(f"[{name}] [{'오전' if hour < 12 else '오후'} {(hour + 11) % 12 + 1}:{rest:02}] {content}")
            messages.append([day.isoformat(), f"{hour:02}:{rest:02}", name, content])
            started = True
    end = "\n" if lines and (lines[-1] == "" or rng.random() < 0.5) else ""  # one newline at the end is no line
    return "\n".join(lines) + end, messages


def chat_cases() -> list[Case]:
    rng = random.Random(1050)
    return [([text], ["list", messages]) for text, messages in (chat(rng) for _ in range(500))]


def silence(messages: list[list[str]]) -> list[Any]:
    def when(message: list[str]) -> int:
        return date.fromisoformat(message[0]).toordinal() * 1440 + int(message[1][:2]) * 60 + int(message[1][3:])

    kept: list[list[str]] = []
    for message in messages:
        if not kept or when(message) >= when(kept[-1]):
            kept.append(message)
    gaps = [(when(b) - when(a), b[2]) for a, b in pairwise(kept) if a[2] != b[2]]
    longest = max((gap for gap, _ in gaps), default=0)
    return next(([gap, name] for gap, name in gaps if gap == longest), [0, ""])


def silence_cases() -> list[Case]:
    rng = random.Random(10502)
    return [([text], ["list", silence(messages)]) for text, messages in (chat(rng) for _ in range(800))]


CHECKS = (
    Check(1044, 1, "is_valid_brn", number_cases),
    Check(1044, 2, "find_brns", mail_cases),
    Check(1048, 1, "deadline", deadline_cases),
    Check(1048, 2, "substitutes", substitute_cases),
    Check(1048, 2, "deadline2", second_deadline_cases),
    Check(1049, 1, "monthly_total", total_cases),
    Check(1049, 2, "unpaid", unpaid_cases),
    Check(1050, 1, "parse_chat", chat_cases),
    Check(1050, 2, "longest_silence", silence_cases),
)
