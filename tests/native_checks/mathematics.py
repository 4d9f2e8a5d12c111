"""Mathematics questions, calculated or enumerated from the numbers that the questions state."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product

from .common import final_answer, match, native_number, question, sino_number


def rice_cake() -> tuple[Fraction, int]:
    """Kilograms of rice cake and the mill's fee in 1031."""
    text = question(1031, 1)
    mal, doe = match(r"쌀 (\S+) 말 (\S+) 되를 맡겨", text).groups()
    per_mal = native_number(match(r"한 말은 (\S+) 되이고", text)[1])
    weight = Fraction(match(r"쌀 한 되는 (\S+)kg으로", text)[1])
    yield_ = Fraction(match(r"쌀 1kg으로 가래떡 (\S+)kg이", text)[1])
    mal_fee = sino_number(match(r"쌀 한 말에 (\S+) 원씩", text)[1])
    doe_fee = sino_number(match(r"한 되에 (\S+) 원씩", text)[1])
    total = native_number(mal) * per_mal + native_number(doe)
    fee = 0
    rest = total
    while rest >= per_mal:
        fee, rest = fee + mal_fee, rest - per_mal
    return total * weight * yield_, fee + rest * doe_fee


def check_1031_turn_1() -> None:
    kilograms, fee = rice_cake()
    assert final_answer(1031, 1) == f"가래떡 {float(kilograms)}kg, 삯 {fee:,}원"


def check_1031_turn_2() -> None:
    text = question(1031, 2)
    kilograms, fee = rice_cake()
    geun = int(match(r"한 근은 (\d+)g", text)[1])
    gwan = int(Fraction(match(r"한 관은 ([\d.]+)kg", text)[1]) * 1000)
    kept = native_number(match(r"그 가래떡에서 (\S+) 근은", text)[1])
    box = sino_number(match(r"한 상자에 (.+?) 원에", text)[1])
    loose = sino_number(match(r"한 근에 (.+?) 원씩", text)[1])
    assert "한 관씩 상자에" in text and "삯을 뺀 금액" in text
    grams = int(kilograms * 1000) - kept * geun
    income = 0
    for size, price in ((gwan, box), (geun, loose)):
        while grams >= size:
            grams, income = grams - size, income + price
    assert final_answer(1031, 2) == f"{income - fee:,}원, 자투리 {grams}g"


def yut() -> tuple[dict[int, Fraction], set[int]]:
    """Probability of each number of squares in one throw of 1032, and what throws again."""
    text = question(1032, 1)
    flat = Fraction(match(r"위로 나올 확률은 (\d+/\d+)", text)[1])
    named = re.findall(r"(하나|둘이|셋이|넷이)면 [도개걸윷]\((\d)칸\)", text)
    assert [word for word, _ in named] == ["하나", "둘이", "셋이", "넷이"]
    steps = {flats: int(squares) for flats, (_, squares) in enumerate(named, start=1)}
    steps[0] = int(match(r"하나도 없으면 모\((\d)칸\)", text)[1])
    assert "윷이나 모가 나오면 반드시 한 번 더 던지고" in text
    throw: dict[int, Fraction] = {}
    for fall in product((0, 1), repeat=4):
        chance = Fraction(1)
        for side in fall:
            chance *= flat if side else 1 - flat
        step = steps[sum(fall)]
        throw[step] = throw.get(step, Fraction(0)) + chance
    assert sum(throw.values()) == 1
    return throw, {steps[4], steps[0]}


def turns(limit: int) -> dict[tuple[int, ...], Fraction]:
    """Every complete sequence of at most `limit` throws in one turn, with its probability."""
    throw, again = yut()
    done: dict[tuple[int, ...], Fraction] = {}
    running: dict[tuple[int, ...], Fraction] = {(): Fraction(1)}
    for _ in range(limit):
        following: dict[tuple[int, ...], Fraction] = {}
        for thrown, chance in running.items():
            for step, part in throw.items():
                (following if step in again else done)[(*thrown, step)] = chance * part
        running = following
    return done


def check_1032_turn_1() -> None:
    target = int(match(r"모두 더한 값이 정확히 (\d+)일 확률", question(1032, 1))[1])
    chance = sum((p for thrown, p in turns(target).items() if sum(thrown) == target), Fraction(0))
    assert final_answer(1032, 1) == str(chance)


def check_1032_turn_2() -> None:
    text = question(1032, 2)
    target = int(match(r"합이 정확히 (\d+)이었다", text)[1])
    assert "처음 던진 결과가 모였을 확률" in text and "합의 기댓값" in text
    hits = {thrown: p for thrown, p in turns(target).items() if sum(thrown) == target}
    first_mo = sum((p for thrown, p in hits.items() if thrown[0] == 5), Fraction(0))
    given = first_mo / sum(hits.values())
    stated = match(r"^\(1\) (\S+) \(2\) (\S+)$", final_answer(1032, 2))
    assert stated[1] == str(given)
    # The expectation: what the k-th throw adds, summed over k. The terms fall geometrically, so after
    # n throws the missing part is the n-th tail times the whole sum; both sides must agree exactly.
    throw, again = yut()
    mean = sum((step * p for step, p in throw.items()), Fraction(0))
    go_on = sum((throw[step] for step in again), Fraction(0))
    whole = Fraction(stated[2])
    assert re.fullmatch(r"\d+/\d+", stated[2]) and str(whole) == stated[2]
    partial = sum((mean * go_on**k for k in range(60)), Fraction(0))
    assert whole - partial == go_on**60 * whole
    assert abs(float(whole - partial)) < 1e-12
    # And by enumeration of whole turns: nearly all the probability lies in turns of at most ten throws.
    counted = turns(10)
    seen = float(sum((sum(thrown) * p for thrown, p in counted.items()), Fraction(0)))
    assert 0 <= float(whole) - seen < 1e-5
