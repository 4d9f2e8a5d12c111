"""Which scripts a text is written in, and the words of another language inside its Korean sentences."""

import json
from collections.abc import Iterator

import regex

SCRIPTS = ("hangul", "han", "kana", "latin", "other")

# Answers may be hostile: no pattern may look far for an end that is not there at each of many beginnings.
_CODE = regex.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`", regex.DOTALL)
_MATH = regex.compile(
    r"\$\$.{1,2000}?\$\$|\\\[.{1,2000}?\\\]|\\\(.{1,500}?\\\)|\$[^$\n]{1,500}\$|\\[A-Za-z]+", regex.DOTALL
)
_ADDRESS = regex.compile(r"\b(?:https?://|www\.)\S+|\b[\w.+-]{1,64}@[\w.-]+|</?[A-Za-z][^<>\n]{0,500}>")
_OPEN, _CLOSE = "\"“‘'「『《<", "\"”’'」』》>"
_ASIDE = regex.compile(rf"\([^()\n]*\)|\[[^\[\]\n]*\]|（[^（）\n]*）|[{_OPEN}][^{_OPEN}{_CLOSE}\n]*[{_CLOSE}]")
_SCRIPT = {
    "hangul": regex.compile(r"\p{Hangul}"),
    "han": regex.compile(r"\p{Han}"),
    "kana": regex.compile(r"[\p{Hiragana}\p{Katakana}]"),
    "latin": regex.compile(r"\p{Latin}"),
}
_LETTER = regex.compile(r"\p{L}")
_SENTENCE_END = regex.compile(r"(?<=[.?!~…。！？])[\"'”’)\]*_]*\s+|\n+")
# Greek letters are mathematics. A Latin word counts if it is written small, as names and abbreviations are not.
_FOREIGN = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}]+"
    r"|(?:(?![\p{Hangul}\p{Han}\p{Hiragana}\p{Katakana}\p{Latin}\p{Greek}])\p{L}){2,}"
    r"|(?<![\p{Latin}\p{N}_./\\@#:-])\p{Ll}{4,}(?![\p{Latin}\p{N}_(/\\@]|[.:]\w)(?<=\p{Latin}{4})"
)


def prose(text: str) -> str:
    """`text` without code, formulas, addresses and tags; nothing of a text that is a JSON object or array."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            return ""
    for pattern in (_CODE, _MATH, _ADDRESS):
        text = pattern.sub(" ", text)
    return text


def script_shares(text: str) -> tuple[int, dict[str, float]]:
    """The number of letters in `text` and the share of each of `SCRIPTS` (0 without letters)."""
    letters = len(_LETTER.findall(text))
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPT.items()}
    counts["other"] = max(letters - sum(counts.values()), 0)
    return letters, {name: counts[name] / letters if letters else 0.0 for name in SCRIPTS}


def sentences(text: str) -> Iterator[str]:
    """The sentences of `text`, and lines of lists and headings, without quotations."""
    for sentence in _SENTENCE_END.split(_ASIDE.sub(" ", text)):
        if sentence and sentence.strip():
            yield sentence.strip()


def switches(text: str) -> list[str]:
    """The foreign words in sentences that have Korean ones too, in order.

    What stands in brackets or quotation marks is a gloss or a quotation and does not count.
    """
    return [
        word
        for sentence in sentences(text)
        if _SCRIPT["hangul"].search(sentence)
        for word in _FOREIGN.findall(sentence)
    ]
