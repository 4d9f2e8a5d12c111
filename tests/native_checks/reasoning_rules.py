"""Reasoning by stated rules: dictionary order, bus fares, a counting game and a word chain."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from .common import asks, final_answer, match, question

VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"  # the order of 한글 맞춤법 제4항
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"


def letters(word: str) -> list[tuple[int, int, int]]:
    """Places of each syllable's letters in the dictionary's order; 0 stands for no final consonant."""
    places = []
    for syllable in word:
        initial, vowel, *final = (ord(letter) for letter in unicodedata.normalize("NFD", syllable))
        places.append((initial - 0x1100, vowel - 0x1161, final[0] - 0x11A7 if final else 0))
    return places


def dictionary_words() -> list[str]:
    listed = [line for line in question(1024, 1).splitlines() if line.count(",") > 5]
    assert len(listed) == 1 and len(VOWELS) == 21 and len(INITIALS) == 19
    return listed[0].split(", ")


def check_1024_turn_1() -> None:
    assert final_answer(1024, 1) == ", ".join(sorted(dictionary_words(), key=letters))


def check_1024_turn_2() -> None:
    asks(1024, 2, "끝 글자부터 앞으로 거슬러 읽은 것을", "'지가'와 '무나'")
    forward = sorted(dictionary_words(), key=letters)
    backward = sorted(dictionary_words(), key=lambda word: letters(word[::-1]))
    same = [word for word, other in zip(forward, backward, strict=True) if word == other]
    stated = f"{', '.join(same)}" if same else "없음"
    assert final_answer(1024, 2) == f"{', '.join(backward)} / 자리가 같은 낱말은 {stated}"


Ride = tuple[int, str, int, int]  # minutes at boarding, number, minutes at leaving, kilometres


def rides() -> list[Ride]:
    found = re.findall(r"^(\d\d):(\d\d) (\d+)번 승차, (\d\d):(\d\d) 하차, (\d+)km$", question(1027, 1), re.MULTILINE)
    assert len(found) == 8
    return [(int(a) * 60 + int(b), number, int(c) * 60 + int(d), int(km)) for a, b, number, c, d, km in found]


def fares(log: list[Ride]) -> list[int]:
    """The fare of each journey by the rules of 1027."""
    asks(
        1027, 1, "10km 이하면 1,400원", "넘는 거리 5km마다 100원", "30분 안(꼭 30분도 포함)", "밤 9시 정각이나 그 뒤",
        "30분 대신 60분", "네 번까지만 탈 수 있고", "같은 번호를 타면 새 여정",
    )  # fmt: skip
    journeys: list[list[Ride]] = []
    for ride in log:
        last = journeys[-1][-1] if journeys else None
        joined = (
            last is not None
            and ride[0] - last[2] <= (60 if last[2] >= 21 * 60 else 30)
            and ride[1] != last[1]
            and len(journeys[-1]) < 4
        )
        if joined:
            journeys[-1].append(ride)
        else:
            journeys.append([ride])
    distances = [sum(ride[3] for ride in journey) for journey in journeys]
    return [1400 + 100 * len(range(10, distance, 5)) for distance in distances]


def check_1027_turn_1() -> None:
    paid = fares(rides())
    assert final_answer(1027, 1) == f"여정 {len(paid)}개, {sum(paid):,}원"


def clock(text: str) -> int:
    hour, minute = match(r"^(\d+)시 (\d+)분$", text).groups()
    return int(hour) * 60 + int(minute)


def check_1027_turn_2() -> None:
    text = question(1027, 2)
    log = rides()
    at, old, new = match(r"(\d+시 \d+분)에 (\d+)번 대신 같은 길로 다니는 (\d+)번", text).groups()
    (place,) = [i for i, ride in enumerate(log) if ride[:2] == (clock(at), old)]
    log[place] = (log[place][0], new, *log[place][2:])
    on, off = match(r"52번은 (\d+시 \d+분)에 타서 (\d+시 \d+분)에 내렸", text).groups()
    assert log[6][1] == "52" and log[7][1] == "30"
    log[6] = (clock(on), "52", clock(off), log[6][3])
    on, off = match(r"마지막 30번은 (\d+시 \d+분)에 타서 (\d+시 \d+분)에 내렸", text).groups()
    log[7] = (clock(on), "30", clock(off), log[7][3])
    paid, before = fares(log), sum(fares(rides()))
    saved = before - sum(paid)
    assert saved > 0
    assert final_answer(1027, 2) == f"여정 {len(paid)}개, {sum(paid):,}원, 실제보다 {saved:,}원이 준다"


@cache
def wins(said: int, last: int, most: int) -> bool:
    """Whether the player to move wins 1028, when `said` numbers are out and the opponent just said `last`."""
    moves = [count for count in range(1, most + 1) if count != last and said + count <= 31]
    return any(said + count < 31 and not wins(said + count, count, most) for count in moves)


def check_1028_turn_1() -> None:
    asks(1028, 1, "한 개에서 세 개까지", "31을 부르는 사람이 집니다", "상대가 부른 개수와 같은 개수를 부를 수 없다")
    good = [count for count in (1, 2, 3) if not wins(count, count, 3)]
    assert wins(0, 0, 3)
    expected = f"먼저 하는 사람이 이기고, 처음에 부를 개수는 {', '.join(f'{n}개' for n in good)}"
    assert final_answer(1028, 1) == expected


def check_1028_turn_2() -> None:
    asks(1028, 2, "한 번에 네 개까지")
    assert not wins(0, 0, 4)
    parts = []
    for opening in range(1, 5):
        replies = [n for n in range(1, 5) if n != opening and not wins(opening + n, n, 4)]
        parts.append(f"{opening}개에는 {'나 '.join(f'{n}개' for n in replies)}")
    assert final_answer(1028, 2) == f"나중에 하는 사람이 이기고, {', '.join(parts)}로 받는다"


SOFTENED = {"례": "예", "류": "유", "리": "이", "력": "역", "론": "논"}


def chains(words: tuple[str, ...], softened: bool) -> Iterator[list[str]]:
    """Every chain of the words that cannot be made longer at its end."""

    def grow(chain: list[str]) -> Iterator[list[str]]:
        last = chain[-1][-1]
        starts = {last, SOFTENED.get(last, last)} if softened else {last}
        following = [word for word in words if word not in chain and word[0] in starts]
        for word in following:
            yield from grow([*chain, word])
        if not following:
            yield chain

    for word in words:
        yield from grow([word])


def chain_words() -> tuple[str, ...]:
    text = asks(1029, 1, "앞말의 끝 글자 그대로 이어도 되고", "한 번씩 모두 써서")
    (line,) = [line for line in text.splitlines() if line.count(",") > 5]
    return tuple(line.split(", "))


def same_chains(stated: list[str], found: list[list[str]]) -> None:
    assert sorted(stated) == sorted("-".join(chain) for chain in found)  # in whatever order


def check_1029_turn_1() -> None:
    words = chain_words()
    whole = [chain for chain in chains(words, softened=True) if len(chain) == len(words)]
    same_chains(final_answer(1029, 1).split(" / "), whole)


def check_1029_turn_2() -> None:
    words = (*chain_words(), *match(r"'(.+)'를 더했습니다", question(1029, 2))[1].split(", "))
    assert len(words) == 14
    found = list(chains(words, softened=False))
    longest = max(map(len, found))
    length, *stated = final_answer(1029, 2).split(" / ")
    assert length == f"{longest}낱말"
    same_chains(stated, [chain for chain in found if len(chain) == longest])
