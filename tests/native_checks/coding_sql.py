"""The queries of 1046, run on random orders and compared with sums that Python made."""

from __future__ import annotations

import random
from typing import Any

from .common import match, question
from .submission import Case, Check

RUNNER = """
import sqlite3

TABLE = {table!r}
QUERY = {query!r}


def select(orders):
    database = sqlite3.connect(":memory:")
    database.execute(TABLE)
    database.executemany("INSERT INTO 주문 VALUES (?, ?, ?, ?, ?, ?)", orders)
    shown = database.execute(QUERY)
    return [[column[0] for column in shown.description], *map(list, shown)]
"""
Order = list[Any]  # the columns of 주문


def wrap(query: str) -> str:
    table = match(r"(?m)^CREATE TABLE .+\);$", question(1046, 1))[0]
    return RUNNER.format(table=table, query=query)


def orders(rng: random.Random) -> list[Order]:
    shops = rng.sample(["고래분식", "나무반점", "달밤치킨", "가온국밥"], k=rng.randrange(1, 5))
    guests = ["지수", "한결", "보라", "민"]
    return [
        [
            number, rng.choice(shops), rng.choice(guests), f"2000-03-{rng.randrange(1, 29):02} 18:20",
            rng.choice((9000, 12000, 18000)), rng.choice(("완료", "완료", "완료", "취소", "배달중")),
        ]
        for number in range(1, rng.randrange(1, 22))
    ]  # fmt: skip


def done(rows: list[Order]) -> dict[str, list[Order]]:
    """The finished orders of each shop with three or more, shops in the order of their names."""
    finished = [row for row in rows if row[5] == "완료"]
    by_shop = {shop: [row for row in finished if row[1] == shop] for shop in sorted({row[1] for row in rows})}
    return {shop: found for shop, found in by_shop.items() if len(found) > 2}


def sales_cases() -> list[Case]:
    rng = random.Random(1046)
    cases: list[Case] = []
    for _ in range(300):
        rows = orders(rng)
        lines = [[shop, len(found), sum(row[4] for row in found)] for shop, found in done(rows).items()]
        lines.sort(key=lambda line: -line[2])
        cases.append(([rows], ["list", [["가게", "건수", "매출"], *lines]]))
    return cases


def regulars_cases() -> list[Case]:
    rng = random.Random(10462)
    cases: list[Case] = []
    for _ in range(300):
        rows = orders(rng)
        lines = []
        for shop, found in done(rows).items():
            spent: dict[str, list[int]] = {}
            for row in found:
                spent.setdefault(row[2], []).append(row[4])
            regular = [sums for sums in spent.values() if len(sums) > 1]
            lines.append([shop, len(spent), len(regular), sum(map(sum, regular))])
        cases.append(([rows], ["list", [["가게", "손님수", "단골수", "단골매출"], *lines]]))
    return cases


CHECKS = (
    Check(1046, 1, "select", sales_cases, wrap),
    Check(1046, 2, "select", regulars_cases, wrap),
)
