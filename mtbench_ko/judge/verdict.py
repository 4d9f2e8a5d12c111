"""Reading the rating out of a judge's reply, and out of nothing else."""

import json
import re
from typing import Any

LOWEST, HIGHEST = 1, 10
RATING_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "explanation": {"type": "string"},
        "rating": {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))},
    },
    "required": ["explanation", "rating"],
    "additionalProperties": False,
}
_BRACKETS = re.compile(r"\[\[\s*(\d+(?:\.\d+)?)\s*\]\]")
_SINGLE = re.compile(r"\[\s*(\d+(?:\.\d+)?)\s*\]")  # FastChat's fallback: judges that leave out a pair


def parse_rating(reply: str, structured: bool = False) -> float | None:
    """The rating in 1..10 that `reply` gives, None if it gives none.

    A structured reply is read as JSON alone: brackets in its explanation are quotations. In free text the last
    `[[n]]` in range counts; a reply without any `[[n]]` may give its rating as `[n]`.
    """
    if structured and reply.lstrip().startswith("{"):
        return _structured(reply)
    ratings = [float(text) for text in _BRACKETS.findall(reply) or _SINGLE.findall(reply)]
    in_range = [rating for rating in ratings if LOWEST <= rating <= HIGHEST]
    return in_range[-1] if in_range else None


def _structured(reply: str) -> float | None:
    try:
        rating = json.loads(reply, strict=False)["rating"]  # grammars let control characters into strings
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not LOWEST <= rating <= HIGHEST:
        return None
    return float(rating)
