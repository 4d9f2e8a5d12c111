"""What can be said of the language of an answer without a judge. It stands beside the score and is no part of it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mtbench_ko.stats.language.scripts import prose, script_shares, sentences, switches
from mtbench_ko.stats.language.speech import LEVELS, SpeechLevel, count_levels

_CLEAR = 0.5  # more Hangul than this is Korean, less than the other is not; in between the detector decides
_TRACE = 0.1
_ENOUGH_WORDS, _ENOUGH_LETTERS = 3, 4
_MINORITY = 0.2


@dataclass(frozen=True)
class TextCheck:
    """One turn of an answer.

    Attributes:
        letters: in prose, which is the text without code, formulas and addresses.
        shares: of these letters those in "hangul", "han", "kana", "latin" and "other" scripts.
        korean: whether it is written in Korean; None where too little prose is there to say.
        detected: what the detector said (an ISO 639-1 code), where it was asked.
        switches: foreign words inside Korean sentences.
        levels: sentences at each speech level.
        level: the level of most sentences; None without any, or with as many of another.
        mixed: whether at least a fifth of the sentences are 반말 and a fifth are not.
    """

    letters: int
    shares: Mapping[str, float]
    korean: bool | None
    detected: str | None
    switches: Sequence[str]
    levels: Mapping[SpeechLevel, int]
    level: SpeechLevel | None
    mixed: bool


@dataclass(frozen=True)
class AnswerCheck:
    """One answer of all its turns.

    Attributes:
        flags: of each turn, from "not_korean", "switched", "mixed_levels" and "level_changed", less what the question
            exempts. The last stands at a turn whose level is not that of the turn before.
        penalized: of each turn, whether LG's rule takes the root of its score: it is not in Korean, and the question
            is none that LG exempts.
    """

    turns: Sequence[TextCheck]
    flags: Sequence[Sequence[str]]
    penalized: Sequence[bool]


@dataclass(frozen=True)
class LanguageSummary:
    """Turns of a model's answers: how many there are, and how many have each flag.

    Attributes:
        levels: turns whose level is 합쇼체 ("hapsyo"), 해요체 ("haeyo") and 반말 ("banmal").
        hangul: mean share of Hangul among the letters of prose, over the turns that have any.
    """

    turns: int
    not_korean: int
    switched: int
    mixed_levels: int
    level_changed: int
    levels: Mapping[SpeechLevel, int]
    hangul: float | None

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def check_text(text: str) -> TextCheck:
    """Look at one turn of an answer."""
    text = prose(text)
    letters, shares = script_shares(text)
    korean, detected = _is_korean(text, letters, shares)
    levels = count_levels(() if korean is False else sentences(text))
    total, banmal = sum(levels.values()), levels["banmal"]
    ranked = sorted(levels.items(), key=lambda item: -item[1])
    return TextCheck(
        letters=letters,
        shares=shares,
        korean=korean,
        detected=detected,
        switches=switches(text) if korean else [],
        levels=levels,
        level=ranked[0][0] if ranked[0][1] > ranked[1][1] else None,
        mixed=total > 1 and min(banmal, total - banmal) >= max(1, _MINORITY * total),
    )


def check_answer(turns: Sequence[str], exempt: Sequence[Collection[str]] = ()) -> AnswerCheck:
    """Look at an answer.

    Args:
        exempt: for each turn what its question exempts it from: "not_korean", "switched", "speech" (both flags of
            levels), "komt" (LG's penalty).
    """
    found = [check_text(text) for text in turns]
    free = [*exempt, *[()] * (len(turns) - len(exempt))]
    flags = []
    for number, check in enumerate(found):
        of_turn = {
            "not_korean": check.korean is False and "not_korean" not in free[number],
            "switched": bool(check.switches) and "switched" not in free[number],
        }
        if "speech" not in free[number]:
            before = found[number - 1].level if number and "speech" not in free[number - 1] else None
            of_turn["mixed_levels"] = check.mixed
            of_turn["level_changed"] = before is not None and check.level not in (None, before)
        flags.append([name for name, is_so in of_turn.items() if is_so])
    penalized = [check.korean is False and "komt" not in free[number] for number, check in enumerate(found)]
    return AnswerCheck(found, flags, penalized)


def summarize(answers: Sequence[AnswerCheck]) -> LanguageSummary:
    """Count over a model's answers."""
    turns = [check for answer in answers for check in answer.turns]
    flags = Counter(flag for answer in answers for of_turn in answer.flags for flag in of_turn)
    shares = [check.shares["hangul"] for check in turns if check.letters]
    return LanguageSummary(
        turns=len(turns),
        not_korean=flags["not_korean"],
        switched=flags["switched"],
        mixed_levels=flags["mixed_levels"],
        level_changed=flags["level_changed"],
        levels={level: sum(check.level == level for check in turns) for level in LEVELS},
        hangul=sum(shares) / len(shares) if shares else None,
    )


def komt_penalty(score: float) -> float:
    """LG's rule for an answer that is not in Korean (KoMT-Bench, detector.py): the square root; -1 stays unscored."""
    return score**0.5 if score > 0 else score


def _is_korean(text: str, letters: int, shares: Mapping[str, float]) -> tuple[bool | None, str | None]:
    """Whether prose is Korean. Detectors misread short and mixed Korean, so that scripts decide where they can."""
    if shares["hangul"] >= _CLEAR:
        return True, None
    words = sum(len(word) > 1 and word.isalpha() for word in text.split())
    foreign = letters * (1 - shares["hangul"] - shares["latin"])
    if words < _ENOUGH_WORDS and foreign < _ENOUGH_LETTERS:
        return (True if shares["hangul"] > _TRACE else None), None
    detected = _detect(text)
    return shares["hangul"] > _TRACE and detected == "ko", detected


def _detect(text: str) -> str:
    import py3langid  # loads a model of some MB when it is first asked

    return str(py3langid.classify(text)[0])
