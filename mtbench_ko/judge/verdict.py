"""Reading the verdict out of a judge's reply, and out of nothing else.

A reply that was constrained to a schema is read as JSON alone where it holds any: brackets in its explanation are
quotations. One without JSON, of a server that ignores the schema, is free text. That follows FastChat's formats, with
two rules:

1. The last `[[…]]` counts, if it is well-formed: what a judge quotes, an answer's own `[[10]]` for example, comes
   before its conclusion. When the last one is malformed or out of range (`[[0]]`, `[[7-8]]`), none before it counts.
   Those in fenced code (`x = [[1]]`) count only where there are no others, or where one ends its block, alone or with
   a label.
2. Otherwise the last line counts if it is nothing but the verdict, with or without a label: `점수: 8`,
   `Rating: [8]`, `[[8/10]]`, `**최종 판정: A**`.

Full-width forms (`［［８］］`, `【【8】】`) are read as their plain ones. A range, a number outside 1..10, a number
in the middle of a sentence or after any other word (`정답: 8`) is no verdict.
"""

import json
import re
from abc import ABC, abstractmethod
from typing import Any, Literal

from mtbench_ko.lines import Winner, winner

Preference = Literal["A", "B", "tie"]
Verdict = float | Preference

LOWEST, HIGHEST = 1, 10

_NUMBER = r"(\d{1,3}(?:\.\d{1,3})?)"
_OF_TEN = r"(?: ?/ ?10)? ?점?"
_LABEL = (
    r"(?:(?:최종|종합|총|전체|final|overall|my) ?)*"
    r"(?:점수|평점|평가|판정|결론|승자|rating|score|verdict|winner|evaluation)(?:는|은)?[*_ ]*[:=] ?"
)
_DECORATION = "*_#`\"' ."
_FENCED = re.compile(r"^ {0,3}(`{3,}+|~{3,}+)(?P<code>.*?)^ {0,3}\1", re.DOTALL | re.MULTILINE)
_BRACKETS = re.compile(rf"(?:{_LABEL})?\[\[[^\[\]]*\]\]", re.IGNORECASE)
_LAST_LINE = 100  # characters: a longer one says more than a verdict
_PLAIN = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | str.maketrans("【】〔〕", "[][]")


class Format(ABC):
    """A kind of verdict, named by the `output_format` of judge prompts. `schema` asks for it as JSON."""

    schema: dict[str, Any]
    _pattern: str
    _mark: str  # what a [[…]] that is meant as a verdict contains
    _unit = ""  # what may follow the verdict where it stands alone

    def parse(self, reply: str, structured: bool = False) -> Verdict | None:
        """The verdict in `reply`, None if it holds none. `structured`: the reply was constrained to `schema`."""
        body = _json_part(reply)
        if body is not None and (structured or reply.lstrip().startswith("{")):
            verdict = self._structured(body)
            if verdict is not None or '"explanation"' in body:  # cut off or broken: what it quotes is no verdict
                return verdict
        text = reply.translate(_PLAIN)
        pattern = rf"\[\[([^\[\]]*{self._mark}[^\[\]]*)\]\]"
        found = re.findall(pattern, _FENCED.sub(_unless_verdict, text)) or re.findall(pattern, text)
        if found:
            match = re.fullmatch(self._pattern, found[-1].strip())
            if match and (verdict := self._of_match(match)) is not None:
                return verdict
        return self._last_line(text)

    def _structured(self, body: str) -> Verdict | None:
        try:
            return self._of_fields(json.loads(body, strict=False))  # grammars let control characters into strings
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _last_line(self, text: str) -> Verdict | None:
        line = text.rstrip()[-_LAST_LINE - 1 :].rpartition("\n")[2].strip(_DECORATION)
        if len(line) > _LAST_LINE:
            return None
        label = re.match(_LABEL, line, re.IGNORECASE)
        rest = line[label.end() :].strip(_DECORATION) if label else line
        match = re.fullmatch(rf"\[{{0,2}} ?{self._pattern}{self._unit} ?\]{{0,2}}", rest)
        return self._of_match(match) if match else None

    @abstractmethod
    def _of_match(self, match: re.Match[str]) -> Verdict | None: ...

    @abstractmethod
    def _of_fields(self, fields: dict[str, Any]) -> Verdict | None: ...


def _unless_verdict(block: re.Match[str]) -> str:
    """What counts of a fenced block: all of one that ends with a verdict, of any other nothing."""
    last = block["code"].rstrip()[-_LAST_LINE:].rpartition("\n")[2]
    return block[0] if _BRACKETS.fullmatch(last.strip(_DECORATION)) else ""


def _json_part(reply: str) -> str | None:
    """From the first brace to the last, of a reply that begins or ends with JSON, in a fence or bare."""
    bare = reply.strip("\ufeff `\n\r\t")
    if reply.lstrip("\ufeff \n\r\t").startswith(("{", "```")) or bare.endswith("}"):
        begin, end = reply.find("{"), reply.rfind("}")
        return reply[begin : end + 1 if end > begin else None] if begin >= 0 else None
    return None


def _schema(**verdict: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"explanation": {"type": "string"}, **verdict},
        "required": ["explanation", *verdict],
        "additionalProperties": False,
    }


_RATING = {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))}


def _rating(value: Any) -> float | None:
    """`value` as a rating in 1..10, None if it is not one."""
    number = not isinstance(value, bool) and isinstance(value, int | float)
    return float(value) if number and LOWEST <= value <= HIGHEST else None


class Rating(Format):
    """`[[rating]]`: a number from 1 to 10, decimals allowed."""

    schema = _schema(rating=_RATING)
    _pattern = _NUMBER
    _mark = r"\d"
    _unit = _OF_TEN

    def _of_match(self, match: re.Match[str]) -> float | None:
        return _rating(float(match[1]))

    def _of_fields(self, fields: dict[str, Any]) -> float | None:
        return _rating(fields["rating"])


class Choice(Format):
    """`[[A]]`: A or B is better, C is a tie."""

    schema = _schema(verdict={"type": "string", "enum": ["A", "B", "C"]})
    _pattern = "([ABC])"
    _mark = r"\w"

    def _of_match(self, match: re.Match[str]) -> Preference | None:
        return self._of_fields({"verdict": match[1]})

    def _of_fields(self, fields: dict[str, Any]) -> Preference | None:
        return _PREFERENCES.get(fields["verdict"])


_PREFERENCES: dict[str, Preference] = {"A": "A", "B": "B", "C": "tie"}


class TwoRatings(Format):
    """`[[rating_a,rating_b]]`: the higher one is better."""

    schema = _schema(rating_a=_RATING, rating_b=_RATING)
    _pattern = rf"{_NUMBER} ?, ?{_NUMBER}"
    _mark = r"\d"

    def _of_match(self, match: re.Match[str]) -> Preference | None:
        return self._of_fields({"rating_a": float(match[1]), "rating_b": float(match[2])})

    def _of_fields(self, fields: dict[str, Any]) -> Preference | None:
        a, b = _rating(fields["rating_a"]), _rating(fields["rating_b"])
        return None if a is None or b is None else _PREFERRED[winner(a, b)]


_PREFERRED: dict[Winner, Preference] = {"model_1": "A", "model_2": "B", "tie": "tie"}


FORMATS: dict[str, Format] = {"[[rating]]": Rating(), "[[A]]": Choice(), "[[rating_a,rating_b]]": TwoRatings()}
"""By `output_format`, as FastChat spells them."""
