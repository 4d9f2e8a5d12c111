"""Extraction of what Korean spelling, spacing and honorifics decide: counted, or derived from the rule."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, NamedTuple

from .common import asks, question, reference


def passage(question_id: int) -> str:
    """The last paragraph of a first turn."""
    return question(question_id, 1).split("\n\n")[-1]


def sentences() -> list[str]:
    found = [part.strip() for part in passage(1053).split(".") if part.strip()]
    assert len(found) == 6
    return found


def longest() -> int:
    return max(range(6), key=lambda at: len(re.findall(r"\S+", sentences()[at])))


def check_1053_turn_1() -> None:
    counts = [len(re.findall(r"\S+", sentence)) for sentence in sentences()]
    assert counts.count(max(counts)) == 1
    assert json.loads(reference(1053, 1)) == {"어절수": counts, "가장긴문장": longest() + 1}


def check_1053_turn_2() -> None:
    asks(1053, 2, "띄어쓰기와 문장 부호를 뺀 글자 수", "가장 긴 문장의 객체는 배열에서 빼 주세요")
    rows = []
    for at, sentence in enumerate(sentences()):
        letters = [len(unicodedata.normalize("NFD", sign)) for sign in sentence if sign.isalpha()]
        if at != longest():
            rows.append({"순번": at + 1, "음절수": len(letters), "받침": letters.count(3)})
    assert json.loads(reference(1053, 2)) == rows


class Honorific(NamedTuple):
    """A word with '-시-' as a morphologist cuts it, its subject, and whom it honours."""

    stem: str
    ending: str  # what stands in the stem's company without -시-
    subject: str
    honoured: str | None  # None where the subject is a thing
    indirect: bool = False

    @property
    def plain(self) -> str:
        """The word without '-시-': a final ㅂ joins the syllable before it, 오 and 아 become 와."""
        return unicodedata.normalize("NFC", self.stem + self.ending).replace("오았", "왔")


HONORIFICS = {
    "마치셨습니다": Honorific("마치", "었습니다", "팀장님께서", "팀장님"),
    "나오셨습니다": Honorific("나오", "았습니다", "새 version은", None),
    "있으십니다": Honorific("있", "습니다", "release note는", None),
    "정하셨습니다": Honorific("정하", "였습니다", "박 수석님이", "박 수석님"),
    "시이십니다": Honorific("시이", "\u11b8니다", "demo는", None),
    "좁으시니": Honorific("좁", "으니", "회의실이", None),
    "있으신": Honorific("있", "는", "질문이", "분", indirect=True),
    "참석하시는": Honorific("참석하", "는", "참석하시는 분", "분"),
    "원이십니다": Honorific("원이", "\u11b8니다", "점심값은", None),
}


def honorifics() -> list[tuple[str, Honorific]]:
    """Every word of 1054 with a syllable that can hold '-시-', in order; the table must know each of them."""
    text = question(1054, 1).split("\n\n")[1]
    words = [word.strip(".") for word in text.split()]
    found = [word for word in words if re.search(".[시셨신실심십]", word) and word not in ("회의실이", "점심값은")]
    assert set(found) == set(HONORIFICS), set(found) ^ set(HONORIFICS)
    assert all(row.subject in text and word.startswith(row.stem) for word, row in HONORIFICS.items())
    return [(word, HONORIFICS[word]) for word in found]


def check_1054_turn_1() -> None:
    asks(1054, 1, "주어가 사람이 아닌데", "'-시-'만 빼서", "간접 높임")
    wrong = [{"원래": word, "고침": row.plain} for word, row in honorifics() if row.honoured is None]
    assert json.loads(reference(1054, 1)) == wrong


def check_1054_turn_2() -> None:
    asks(1054, 2, "고치지 않고 남겨 둔 것", "특정한 사람이 아니면 꾸밈을 받는 말인 '분'")
    right = [{"어절": word, "높인이": row.honoured, "간접": row.indirect} for word, row in honorifics() if row.honoured]
    assert json.loads(reference(1054, 2)) == right


class Compound(NamedTuple):
    """Two parts of a compound and where they come from: 'n' native, 's' Sino-Korean; and whether a sound is added."""

    first: str
    second: str
    origin: str
    added: bool  # tensed second part, or an added ㄴ


# Origins after the 표준국어대사전.
COMPOUNDS = {
    "등교길": Compound("등교", "길", "sn", added=True),
    "장마비": Compound("장마", "비", "nn", added=True),
    "나뭇잎": Compound("나무", "잎", "nn", added=True),
    "뒷문": Compound("뒤", "문", "ns", added=True),
    "찻길": Compound("차", "길", "sn", added=True),
    "나무가지": Compound("나무", "가지", "nn", added=True),
    "개수": Compound("개", "수", "ss", added=True),
    "윗층": Compound("위", "층", "ns", added=False),
    "전세집": Compound("전세", "집", "sn", added=True),
    "셋방": Compound("세", "방", "ss", added=True),
    "횟수": Compound("회", "수", "ss", added=True),
    "초점": Compound("초", "점", "ss", added=True),
    "최대값": Compound("최대", "값", "sn", added=True),
    "나룻배": Compound("나루", "배", "nn", added=True),
}
SIX_SINO = {"곳간", "셋방", "숫자", "찻간", "툇간", "횟수"}  # 한글 맞춤법 제30항 3
RATES = ("참여율", "합격율", "운률")
OTHERS = ("남녀", "독자란", "사용량")  # 두음 법칙: not at the beginning of a word, 란 and 량 after Sino-Korean


def with_final(syllable: str, final: int) -> str:
    return chr(ord(syllable) + final)


def spelt(compound: Compound) -> str:
    """한글 맞춤법 제30항 applied to a compound whose first part ends in a vowel."""
    with_s = compound.first[:-1] + with_final(compound.first[-1], 19) + compound.second
    hard = unicodedata.normalize("NFD", compound.second)[0] in "ᄁᄄᄈᄊᄍᄎᄏᄐᄑ"
    allowed = compound.origin != "ss" or with_s in SIX_SINO
    return with_s if compound.added and allowed and not hard else compound.first + compound.second


def rate(word: str) -> str:
    """한글 맞춤법 제11항 붙임 1: 율 after a vowel or ㄴ, 률 after any other final consonant."""
    letters = unicodedata.normalize("NFD", word[-2])
    return word[:-1] + ("율" if len(letters) == 2 or letters[2] == "ᆫ" else "률")


def misspelt() -> list[tuple[str, str]]:
    text = passage(1058)
    right = {word: spelt(compound) for word, compound in COMPOUNDS.items()} | {word: rate(word) for word in RATES}
    assert all(text.count(word) == 1 for word in (*right, *OTHERS))
    return [(word, right[word]) for word in sorted(right, key=text.index) if right[word] != word]


def check_1058_turn_1() -> None:
    asks(1058, 1, "사이시옷이나 두음 법칙과 관계있는 잘못만", "조사는 떼고 낱말만")
    assert json.loads(reference(1058, 1)) == [{"원래": word, "고침": right} for word, right in misspelt()]


def cause(word: str) -> str:
    if word in RATES:
        return "ㄴ이나 모음 뒤의 률" if rate(word).endswith("율") else "그 밖의 받침 뒤의 율"
    compound = COMPOUNDS[word]
    if spelt(compound) == compound.first + compound.second:
        return "거센소리나 된소리 앞"
    return "순우리말로 된 합성어" if compound.origin == "nn" else "순우리말과 한자어로 된 합성어"


def check_1058_turn_2() -> None:
    named = re.findall(r"'([^']+)'", asks(1058, 2, "원고에 나온 차례대로"))
    sorted_out: dict[str, list[str]] = {name: [] for name in named}
    for word, right in misspelt():
        sorted_out[cause(word)].append(right)
    stated: dict[str, Any] = json.loads(reference(1058, 2))
    assert list(stated.items()) == list(sorted_out.items())
