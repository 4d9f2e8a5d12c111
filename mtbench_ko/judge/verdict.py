"""Reading the rating out of a judge's reply, and out of nothing else."""

import json
import re
from typing import Any

LOWEST, HIGHEST = 1, 10
_BRACKETS = re.compile(r"\[\[\s*(\d+(?:\.\d+)?)\s*\]\]")
_SINGLE = re.compile(r"\[\s*(\d+(?:\.\d+)?)\s*\]")  # FastChat's fallback: judges that leave out a pair


def rating_schema(max_tokens: int) -> dict[str, Any]:
    """JSON Schema of a structured verdict. The explanation is bounded so that the rating fits the token limit."""
    return {
        "type": "object",
        "properties": {
            "explanation": {"type": "string", "maxLength": max(40, max_tokens // 3)},
            "rating": {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))},
        },
        "required": ["explanation", "rating"],
        "additionalProperties": False,
    }


def parse_rating(reply: str, structured: bool = False) -> float | None:
    """The rating in 1..10 that `reply` gives, None if it gives none.

    A structured reply is read as JSON alone: brackets in its explanation are quotations. In free text the last
    `[[n]]` in range counts, else the last `[n]` in range.
    """
    if structured and reply.lstrip().startswith("{"):
        return _structured(reply)
    for pattern in (_BRACKETS, _SINGLE):
        ratings = [float(text) for text in pattern.findall(reply)]
        in_range = [rating for rating in ratings if LOWEST <= rating <= HIGHEST]
        if in_range:
            return in_range[-1]
    return None


def _structured(reply: str) -> float | None:
    try:
        rating = json.loads(reply)["rating"]
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not LOWEST <= rating <= HIGHEST:
        return None
    return float(rating)
