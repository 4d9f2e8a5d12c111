"""The speech level of Korean sentences, by their endings."""

import unicodedata
from collections.abc import Iterable
from typing import Literal, get_args

import regex

SpeechLevel = Literal["hapsyo", "haeyo", "banmal"]
"""합쇼체, 해요체, and 반말: 해체 and the plain 해라체 of -다."""
LEVELS: tuple[SpeechLevel, ...] = get_args(SpeechLevel)

_LAST_WORD = regex.compile(r"(?r)\p{Hangul}+")
_ENDED = regex.compile(r"[.?!~…。！？]")
_NOUNS = frozenset(
    """
    중요 필요 불필요 수요 개요 주요 소요 강요 동요 가요 민요 긴요 담요
    바다 캐나다 판다 람다 베란다 소다 사이다
    이해 오해 피해 방해 저해 손해 재해 공해 침해 올해 새해 양해 유해 무해 서해 남해 동해
    분야 시야 광야 언어 용어 단어 국어 영어 모국어 외국어 한국어 일본어 중국어
    의지 유지 편지 단지 가지 먼지 금지 방지 지지 토지 복지 거지
    """.split()  # noqa: SIM905 (a list of nouns is easier to read so)
)


def _jamo(pattern: str) -> "regex.Pattern[str]":
    """Matches the end of a word whose syllables are taken apart, as `pattern` is here."""
    return regex.compile(rf"(?:{unicodedata.normalize('NFD', pattern)})\Z")


_B, _L, _N, _SS = "\u11b8", "\u11af", "\u11ab", "\u11bb"  # ㅂ, ㄹ, ㄴ and ㅆ at the end of a syllable
_HAPSYO = _jamo(rf"{_B}니다|{_B}니까|{_B}시다|십시오|십시요|소서")
_HAEYO = _jamo("요|죠")
_PLAIN = _jamo("다")
_HAE = _jamo(
    rf"{_SS}(?:어|지|네|니|냐|는데|거든|구나|을까|던데|잖아|어라)|거야|거거든|(?:이|아니|뭐)야|{_N}데|잖아|거든|구나|군|{_L}게|{_L}래|"
    rf"{_L}까|{_L}걸|{_L}라|자고|(?:가|하|보|먹|주|되|쓰|오|놀|쉬|두|말)자|(?:하|보|가|되|이|그렇|맞|좋|말|않)(?:지|네|니|냐)|느냐|"
    r"해라|해|봐|줘|돼|와|워|(?:좋|싶|같|많|맞|알|괜찮|않|놓|남|받|잡|찾|작|짧|높)아|(?:있|없|싫|먹|늦|재밌|맛있|깊|길|넓|멀)어|"
    r"몰라|그래|어라|아라|마|응|려고|더라|단다|란다|중이야|야"
)
_ASKED = _jamo(rf"{_N}가|나|니|냐")


def speech_level(sentence: str) -> SpeechLevel | None:
    """The level of a sentence; None without a predicate at its end (a heading, an item of a list)."""
    last = _LAST_WORD.search(sentence)
    if last is None or last.group() in _NOUNS:
        return None
    word = unicodedata.normalize("NFD", last.group())
    if _HAPSYO.search(word):
        return "hapsyo"
    if _HAEYO.search(word):
        return "haeyo"
    if _PLAIN.search(word) and len(last.group()) > 1:
        return "banmal"
    # Its endings are those of many nouns: it must end like a sentence.
    tail = sentence[last.end() :]
    if (_ENDED.search(tail) and _HAE.search(word)) or ("?" in tail and _ASKED.search(word)):
        return "banmal"
    return None


def count_levels(sentences: Iterable[str]) -> dict[SpeechLevel, int]:
    """How many sentences have each level."""
    counts: dict[SpeechLevel, int] = dict.fromkeys(LEVELS, 0)
    for sentence in sentences:
        if level := speech_level(sentence):
            counts[level] += 1
    return counts
