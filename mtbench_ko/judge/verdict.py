"""Reading the verdict out of a judge's reply, and out of nothing else.

A reply that was constrained to a schema is read as JSON alone: brackets in its explanation are quotations. Free
text follows FastChat's formats, with two rules:

1. The last well-formed `[[…]]` counts: what a judge quotes, an answer's own `[[10]]` for example, comes before its
   conclusion.
2. Without any, the last line counts if it is nothing but the verdict, with or without a label: `점수: 8`,
   `Rating: [8]`, `[[8/10]]`, `**최종 판정: A**`.

Full-width forms (`［［８］］`, `【【8】】`) are read as their plain ones. A range, a number outside 1..10 or a number
in the middle of a sentence is no verdict.
"""

import json
import re
import unicodedata
from abc import ABC, abstractmethod
from typing import Any, Literal

from mtbench_ko.lines import Winner, winner

Preference = Literal["A", "B", "tie"]
Verdict = float | Preference

LOWEST, HIGHEST = 1, 10

_NUMBER = r"(\d+(?:\.\d+)?)"
_OF_TEN = r"(?:\s*/\s*10)?\s*점?"
_LABEL = r"(?:[^\W\d_]+\s*){0,3}[:=]\s*"  # 점수:  최종 평점:  My final rating:
_DECORATION = "*_#`\"' ."
_BRACKETS = str.maketrans("【】〔〕", "[][]")


class Format(ABC):
    """A kind of verdict, named by the `output_format` of judge prompts. `schema` asks for it as JSON."""

    schema: dict[str, Any]

    def parse(self, reply: str, structured: bool = False) -> Verdict | None:
        """The verdict in `reply`, None if it holds none. `structured`: the reply was constrained to `schema`."""
        if structured:
            fenced = re.fullmatch(r"\s*```(?:json)?\s*(\{.*\})\s*```\s*", reply, re.DOTALL)
            body = fenced[1] if fenced else reply
            if body.lstrip().startswith("{"):
                return self._structured(body)
        text = unicodedata.normalize("NFKC", reply).translate(_BRACKETS)
        return self._last_bracketed(text) or self._last_line(text)

    def _structured(self, body: str) -> Verdict | None:
        try:
            fields = json.loads(body, strict=False)  # grammars let control characters into strings
            return self._of_fields(fields)
        except (ValueError, KeyError, TypeError):
            return None

    def _last_bracketed(self, text: str) -> Verdict | None:
        verdicts = [self._of_match(match) for match in re.finditer(rf"\[\[\s*{self._pattern}\s*\]\]", text)]
        return next((verdict for verdict in reversed(verdicts) if verdict is not None), None)

    def _last_line(self, text: str) -> Verdict | None:
        line = text.rstrip().rpartition("\n")[2].strip(_DECORATION)
        match = re.fullmatch(rf"(?:{_LABEL})?[{_DECORATION}]*\[{{0,2}}\s*{self._lone_pattern}\s*\]{{0,2}}", line)
        return self._of_match(match) if match else None

    @property
    def _lone_pattern(self) -> str:
        return self._pattern

    _pattern: str

    @abstractmethod
    def _of_match(self, match: re.Match[str]) -> Verdict | None: ...

    @abstractmethod
    def _of_fields(self, fields: dict[str, Any]) -> Verdict | None: ...


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
    _lone_pattern = _NUMBER + _OF_TEN

    def _of_match(self, match: re.Match[str]) -> float | None:
        return _rating(float(match[1]))

    def _of_fields(self, fields: dict[str, Any]) -> float | None:
        return _rating(fields["rating"])


class Choice(Format):
    """`[[A]]`: A or B is better, C is a tie."""

    schema = _schema(verdict={"type": "string", "enum": ["A", "B", "C"]})
    _pattern = "([ABC])"

    def _of_match(self, match: re.Match[str]) -> Preference | None:
        return self._of_fields({"verdict": match[1]})

    def _of_fields(self, fields: dict[str, Any]) -> Preference | None:
        return _PREFERENCES.get(fields["verdict"])


_PREFERENCES: dict[str, Preference] = {"A": "A", "B": "B", "C": "tie"}


class TwoRatings(Format):
    """`[[rating_a,rating_b]]`: the higher one is better."""

    schema = _schema(rating_a=_RATING, rating_b=_RATING)
    _pattern = rf"{_NUMBER}\s*,\s*{_NUMBER}"

    def _of_match(self, match: re.Match[str]) -> Preference | None:
        return self._of_fields({"rating_a": float(match[1]), "rating_b": float(match[2])})

    def _of_fields(self, fields: dict[str, Any]) -> Preference | None:
        a, b = _rating(fields["rating_a"]), _rating(fields["rating_b"])
        return None if a is None or b is None else _PREFERRED[winner(a, b)]


_PREFERRED: dict[Winner, Preference] = {"model_1": "A", "model_2": "B", "tie": "tie"}


FORMATS: dict[str, Format] = {"[[rating]]": Rating(), "[[A]]": Choice(), "[[rating_a,rating_b]]": TwoRatings()}
"""By `output_format`, as FastChat spells them."""
