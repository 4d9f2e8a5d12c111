"""Oracles for find_names (1043), read_number and same_amount (1045) and to_hangul (1047)."""

from __future__ import annotations

import random
import re
import unicodedata
from typing import Any

from .submission import ERROR, Case, Check

CONSONANTS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"


def pattern(query: str, loose_end: bool) -> str:
    """A regular expression over a name's decomposed text, in which each character ends in '|'."""
    parts = []
    wanted = "".join(query.split())
    for at, letter in enumerate(wanted):
        spelt = re.escape(unicodedata.normalize("NFD", letter))
        if letter in CONSONANTS:
            initial = chr(0x1100 + CONSONANTS.index(letter))
            parts.append(rf"(?:{initial}[^|]+|{letter})\|")
        elif loose_end and at == len(wanted) - 1 and len(unicodedata.normalize("NFD", letter)) == 2:
            parts.append(rf"{spelt}[^|]?\|")
        else:
            parts.append(rf"{spelt}\|")
    return r"(?:^|(?<=\|))" + "".join(parts)


def oracle_names(names: list[str], query: str, loose_end: bool) -> list[Any]:
    found = []
    if query.split():
        for name in names:
            text = "".join(unicodedata.normalize("NFD", letter) + "|" for letter in "".join(name.split()))
            if hit := re.search(pattern(query, loose_end), text):
                found.append((text[: hit.start()].count("|") if loose_end else 0, name))
    return ["list", [name for _, name in sorted(found, key=lambda item: item[0])]]


def name_cases(loose_end: bool) -> list[Case]:
    rng = random.Random(1043)
    syllables = "김기길가강하한늘희까꾸쌍이|a1"
    cases: list[Case] = []
    for _ in range(500):
        names = ["".join(rng.choices(syllables.replace("|", " "), k=rng.randrange(1, 7))) for _ in range(8)]
        query = "".join(rng.choices("김기가하늘이까ㄱㅎㄲㅇa ", k=rng.choice((0, 1, 1, 2, 2, 3))))
        cases.append(([names, query], oracle_names(names, query, loose_end)))
    fixed = ["김하늘", "이건희", "김 하늘", "ㄱ마트", "ㅏ", "박갑돌"]
    queries = ("ㄱㅎ", "김ㅎ", "ㅏ", "가", "가ㄷ", "", "ㄱㅁ")
    return cases + [([fixed, query], oracle_names(fixed, query, loose_end)) for query in queries]


def read_full(number: int) -> str:
    """Every 1 written, a blank between sections."""
    sections = []
    for power, large in ((12, "조"), (8, "억"), (4, "만"), (0, "")):
        spoken = ""
        for digit, small in zip(f"{number // 10**power % 10**4:04}", ("천", "백", "십", ""), strict=True):
            spoken += "" if digit == "0" else "영일이삼사오육칠팔구"[int(digit)] + small
        sections.append(spoken + large if spoken else "")
    return " ".join(filter(None, sections)) or "영"


def numbers(seed: int) -> list[int]:
    rng = random.Random(seed)
    found = [*range(25), *(10**p for p in range(16)), *(11 * 10**p for p in range(15)), 10**16 - 1, 100010000]
    return found + [int("".join(rng.choices("00011123456789", k=rng.randrange(1, 17)))) for _ in range(400)]


def reading_cases() -> list[Case]:
    cases: list[Case] = []
    for number in numbers(1045):
        text = re.sub(r"일([십백천])", r"\1", read_full(number))
        text = re.sub(r"(?:^|(?<= ))일만", "만", text)
        cases.append(([number], ["str", text]))
    return cases + [([bad], ERROR) for bad in (-1, 10**16, -(10**20))]


def amount_cases() -> list[Case]:
    rng = random.Random(10452)
    cases: list[Case] = []
    for number in filter(None, numbers(10453)):
        words = f"금 {read_full(number).replace(' ', '')}원정"
        shown = rng.choice((str(number), f"{number:,}"))
        cases.append(([words, shown], ["bool", True]))
        at = rng.randrange(len(words))
        wrong = rng.choice((words[:at] + words[at + 1 :], words.replace("일", "", 1), f"{words} ", read_full(number)))
        cases.append(([wrong, shown], ["bool", wrong == words]))
        cases.append(([words, str(number + 10 ** rng.randrange(3))], ["bool", False]))
    cases = [case for case in cases if len(case[0][1].replace(",", "")) < 17]
    bad = ["", "0", "012", "1,23", "12,34,567", "1,2345", "1234,567", "-5", "１２", "1.0", " 1", "1\n", ",123"]
    bad.append("1" + "0" * 16)
    return cases + [(["금 일원정", text], ERROR) for text in bad]


KEYS = {
    **dict(zip("qwertyuiopasdfghjklzxcvbnm", "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ", strict=True)),
    **dict(zip("YUIASDFGHJKLZXCVBNM", "ㅛㅕㅑㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ", strict=True)),
    **dict(zip("QWERTOP", "ㅃㅉㄸㄲㅆㅒㅖ", strict=True)),
}
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
DOUBLE = "ㅘㅙㅚㅝㅞㅟㅢㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ"
PAIRS = dict(zip((
    "ㅗㅏ", "ㅗㅐ", "ㅗㅣ", "ㅜㅓ", "ㅜㅔ", "ㅜㅣ", "ㅡㅣ", "ㄱㅅ", "ㄴㅈ", "ㄴㅎ", "ㄹㄱ", "ㄹㅁ", "ㄹㅂ", "ㄹㅅ",
    "ㄹㅌ", "ㄹㅍ", "ㄹㅎ", "ㅂㅅ",
), DOUBLE, strict=True))  # fmt: skip
_DOUBLE_VOWEL = "|".join(pair for pair in PAIRS if pair[0] in VOWELS)
_DOUBLE_FINAL = "|".join(pair for pair in PAIRS if pair[0] not in VOWELS)
SYLLABLE = re.compile(
    f"([{CONSONANTS}])({_DOUBLE_VOWEL}|[{VOWELS}])((?:{_DOUBLE_FINAL})(?![{VOWELS}])|[{FINALS}](?![{VOWELS}]))?"
)


def whole(match: re.Match[str]) -> str:
    initial, vowel, final = match[1], PAIRS.get(match[2], match[2]), match[3] or ""
    jamo = chr(0x1100 + CONSONANTS.index(initial)) + chr(0x1161 + VOWELS.index(vowel))
    jamo += chr(0x11A8 + FINALS.index(PAIRS.get(final, final))) if final else ""
    return unicodedata.normalize("NFC", jamo)


def composed(jamo: str) -> str:
    """Syllables found with one regular expression, in which a final consonant may not stand before a vowel."""
    return SYLLABLE.sub(whole, jamo)


def oracle_typing(keys: str) -> str:
    return re.sub("[A-Za-z]+", lambda run: composed("".join(KEYS[key] for key in run[0])), keys)


def oracle_erasing(keys: str) -> str:
    """The same, with the letters of the last syllable kept apart; `composed` decides where it begins."""
    done, open_ = "", ""
    for key in keys:
        jamo = KEYS.get(key, key)
        if key == "<":
            done, open_ = (done, open_[:-1]) if open_ else (done[:-1], "")
            continue
        if open_ + jamo == jamo and jamo in CONSONANTS:
            open_ = jamo
            continue
        size = next((n for n in range(len(open_) + 1) if len(composed((open_ + jamo)[n:])) == 1), 0)
        tail = (open_ + jamo)[size:]
        done += composed((open_ + jamo)[:size])
        if tail[0] in CONSONANTS:
            open_ = tail
        else:
            done, open_ = done + tail, ""
    return done + composed(open_)


def typing_cases() -> list[Case]:
    rng = random.Random(1047)
    texts = ["", "dkssud!", "rkqtdl", "rkqtl", "hk", "rr", "RRk", "dhkdh", "DHK", "ekfrrhrl", "Ekf123 Qkd", "rjTek"]
    texts += ["kELVINK", "\u212ak", "ㅎk", "ork"]  # the Kelvin sign is no letter of the keyboard
    texts += ["".join(rng.choices("rtRTEQWsfahkolnjmlpOP" + "d 1!", k=rng.randrange(1, 16))) for _ in range(900)]
    texts += ["".join(rng.choices("fqtrgwxvas" + "k" * 5 + "hljnm", k=12)) for _ in range(600)]
    return [([text], ["str", oracle_typing(text)]) for text in texts]


def erasing_cases() -> list[Case]:
    rng = random.Random(10472)
    texts = ["<", "rkqt<", "rkqt<<<<<k", "dhk<", "rks<k", "rksk<<", "rksk<<k", "rksk<<<s", "k<", "r <<k", "rk <s"]
    texts += ["dhk<k", "rkr<<r"]
    texts += ["".join(rng.choices("rtREsfhkoljnm" + "<<<<" + " ", k=rng.randrange(1, 18))) for _ in range(1500)]
    return [*typing_cases(), *(([text], ["str", oracle_erasing(text)]) for text in texts)]


CHECKS = (
    Check(1043, 1, "find_names", lambda: name_cases(loose_end=False)),
    Check(1043, 2, "find_names", lambda: name_cases(loose_end=True)),
    Check(1045, 1, "read_number", reading_cases),
    Check(1045, 2, "same_amount", amount_cases),
    Check(1047, 1, "to_hangul", typing_cases),
    Check(1047, 2, "to_hangul", erasing_cases),
)
