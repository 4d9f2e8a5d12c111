"""Mathematics of gold, vouchers, a savings club, a stall and a flag, calculated by trying or by simulating."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product

from .common import asks, final_answer, match, native_number, question, sino_number


def pure_gold() -> Fraction:
    """Don (돈) of pure gold in 1033."""
    text = question(1033, 1)
    ring, chain = match(r"18K 반지 (\S+) 돈이랑 14K 목걸이 (\S+) 돈이", text).groups()
    pure_ring, pure_chain = match(r"18K의 금 함량은 (\S+)%, 14K의 금 함량은 (\S+)%", text).groups()
    return (native_number(ring) * Fraction(pure_ring) + native_number(chain) * Fraction(pure_chain)) / 100


def check_1033_turn_1() -> None:
    grams = pure_gold() * Fraction(match(r"한 돈은 (\S+)g", question(1033, 1))[1])
    assert final_answer(1033, 1) == f"{float(pure_gold())}돈, {float(grams)}g"


def check_1033_turn_2() -> None:
    text = question(1033, 2)
    rings = native_number(match(r"한 돈짜리 돌반지 (\S+) 개를", text)[1])
    making = sino_number(match(r"공임은 (.+?) 원이고", text)[1])
    price = sino_number(match(r"한 돈에 (.+?) 원으로", text)[1])
    balance = (pure_gold() - rings) * price - rings * making
    assert balance > 0 and balance.denominator == 1
    assert final_answer(1033, 2) == f"{int(balance):,}원을 받는다"


def prices() -> dict[str, int]:
    listed = match(r"살 것은 (.+?)입니다", question(1036, 1))[1]
    pairs = [item.split(" ", 1) for item in listed.split(", ")]
    found = {name: sino_number(price.removesuffix("원").replace(",", "")) for name, price in pairs}
    assert len(found) == 5
    return found


def paid(bought: int) -> int:
    """What one person's purchase costs in the end, with every number of vouchers tried."""
    asks(
        1036, 1, "1만 원권뿐이고 한 사람이 열 장까지 10% 싸게", "물건값을 넘겨 낼 수는 없습니다",
        "3만 4천 원 이상 6만 7천 원 미만이면 1만 원, 6만 7천 원 이상이면 2만 원",
    )  # fmt: skip
    back = 20_000 if bought >= 67_000 else 10_000 if bought >= 34_000 else 0
    return min(bought - 1_000 * count for count in range(11) if 10_000 * count <= bought) - back


def check_1036_turn_1() -> None:
    assert final_answer(1036, 1) == f"{paid(sum(prices().values())):,}원"


def check_1036_turn_2() -> None:
    asks(1036, 2, "할인도 환급도 각자", "모두 더해 한꺼번에 내고", "물건 하나를 둘이 나눠 낼 수는 없습니다")
    cost = prices()
    total = sum(cost.values())
    best = min(
        paid(part) + paid(total - part)
        for chosen in product((0, 1), repeat=len(cost))
        for part in [sum(price for take, price in zip(chosen, cost.values(), strict=True) if take)]
    )
    one, other, spent, saved = match(
        r"^(\S+)[와과] (\S+)[으]?로 나눈다, ([\d,]+)원, ([\d,]+)원을 아낀다$", final_answer(1036, 2)
    ).groups()
    shares = [one.split("·"), other.split("·")]
    assert sorted(shares[0] + shares[1]) == sorted(cost)
    assert sum(paid(sum(cost[name] for name in share)) for share in shares) == best  # any best division is right
    assert (spent, saved) == (f"{best:,}", f"{paid(total) - best:,}")


def club(deserter: int | None = None) -> tuple[dict[int, int], dict[int, int]]:
    """What each member of 1037 is given and pays, in units of 10,000 won, month by month."""
    asks(1037, 1, "열 명이 열 달 동안", "타는 달까지는 한 달에 20만 원씩", "탄 다음 달부터는 23만 원씩")
    given, paid_in = dict.fromkeys(range(1, 11), 0), dict.fromkeys(range(1, 11), 0)
    for month in range(1, 11):
        for member in given:
            if member == deserter and month > deserter:
                continue
            due = 23 if month > member else 20
            paid_in[member] += due
            given[month] += due
    return given, paid_in


def check_1037_turn_1() -> None:
    given, paid_in = club()
    first = min(member for member in given if given[member] >= paid_in[member])
    expected = f"4번은 {given[4]}만 원을 타고 {paid_in[4]}만 원을 내며, 손해를 보지 않는 가장 앞 번호는 {first}번"
    assert final_answer(1037, 1) == expected


def check_1037_turn_2() -> None:
    asks(1037, 2, "7번이 곗돈을 타고 난 다음 달부터 돈을 내지 않고", "실제로 걷힌 돈만")
    given, paid_in = club(deserter=7)
    gain = {member: given[member] - paid_in[member] for member in given}
    parts = [f"{m}번은 {abs(gain[m])}만 원 {'이득' if gain[m] > 0 else '손해'}" for m in (8, 9, 10)]
    assert final_answer(1037, 2) == f"{', '.join(parts)}, 7번은 {gain[7]}만 원을 챙겼다"


Batch = tuple[int, int, int]  # 팥, 슈크림, 왕


def best_batch(allowed: Callable[[Batch], bool]) -> tuple[int, Batch]:
    asks(
        1038, 1, "반죽 2.2kg, 팥소 1kg, 슈크림 900g", "반죽 40g과 팥소 30g으로 만들어 700원",
        "반죽 40g과 슈크림 35g으로 만들어 900원", "반죽 90g, 팥소 40g, 슈크림 40g으로 만들어 2,000원",
    )  # fmt: skip
    found: dict[int, list[Batch]] = {}
    for red, cream, king in product(range(34), range(26), range(23)):
        fits = (
            40 * red + 40 * cream + 90 * king <= 2200 and 30 * red + 40 * king <= 1000 and 35 * cream + 40 * king <= 900
        )
        if fits and allowed((red, cream, king)):
            found.setdefault(700 * red + 900 * cream + 2000 * king, []).append((red, cream, king))
    income = max(found)
    (batch,) = found[income]
    return income, batch


def check_1038_turn_1() -> None:
    income, (red, cream, king) = best_batch(lambda batch: True)
    assert final_answer(1038, 1) == f"팥 {red}개, 슈크림 {cream}개, 왕붕어빵 {king}개, {income:,}원"


def check_1038_turn_2() -> None:
    asks(1038, 2, "왕붕어빵을 열두 개까지만", "슈크림 붕어빵을 팥 붕어빵보다 적게 구울 수는 없습니다")
    before, _ = best_batch(lambda batch: True)
    income, (red, cream, king) = best_batch(lambda batch: batch[2] <= 12 and batch[1] >= batch[0])
    expected = f"팥 {red}개, 슈크림 {cream}개, 왕붕어빵 {king}개, {before - income:,}원이 줄어든다"
    assert final_answer(1038, 2) == expected


def flag() -> tuple[Fraction, Fraction, Fraction]:
    """Height and area of the flag of 1040, and the diameter of its circle."""
    text = asks(1040, 1, "가로와 세로의 비가 3 : 2", "지름은 깃면 세로의 1/2", "모양과 크기가 같고")
    height = Fraction(match(r"세로를 (\S+)m로", text)[1])
    return height, height * height * Fraction(3, 2), height / 2


def check_1040_turn_1() -> None:
    _, area, diameter = flag()
    circle = diameter**2 / 4  # times π
    share = circle / area
    assert share.numerator == 1
    assert final_answer(1040, 1) == f"각각 {float(circle / 2)}π㎡, 깃면의 π/{share.denominator}"


def check_1040_turn_2() -> None:
    asks(1040, 2, "길이는 태극 지름의 1/2, 막대의 폭은 지름의 1/12", "지름의 1/24만큼을")
    asks(1040, 2, "건에 없고, 곤에는 셋, 감에는 둘, 리에는 하나")
    _, _, diameter = flag()
    black = Fraction(0)
    for broken in (0, 3, 2, 1):
        for bar in range(3):
            length = diameter / 2 - (diameter / 24 if bar < broken else 0)
            black += length * diameter / 12
    smaller = black < Fraction(314, 100) * diameter**2 / 4
    assert final_answer(1040, 2) == f"{float(black)}㎡, 태극보다 {'작다' if smaller else '크다'}"
