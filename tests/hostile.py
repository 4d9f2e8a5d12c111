"""Text, JSON and lines that somebody made to do harm, for properties over them."""

import json
import tempfile
from pathlib import Path

from hypothesis import strategies as st

DEEP, LONG = "[" * 100_000, "9" * 5_000
"""JSON that a parser has a limit for: of depth, and of digits."""
LONE = st.characters()  # surrogates too, which JSON can carry and UTF-8 cannot
TEXT = st.text(LONE, max_size=200)
MARKS = st.lists(
    st.sampled_from([
        "[[10]]", "[[", "]]", "[[A]]", '{"explanation": "', '"rating": 10}', "```", "{", "}", "\n", "평점: ",
        "최종 판정: A", "<script>", "</script>", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "$", "\\[",
        "|", "# ", "> ", "&lt;", '" onclick="', "한글 ", "English ", "漢字", "\u202e", "\ue0000\ue001",
        "&#xE000;0&#xE001;", "\x00",
    ]),
    max_size=30,
).map("".join)  # fmt: skip
HOSTILE = st.one_of(TEXT, MARKS)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), HOSTILE),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
FIELDS = (
    "question_id", "category", "turns", "reference", "choices", "index", "model", "model_id", "judge", "score", "turn",
    "g1_winner", "g2_winner", "tstamp", "references", "usage", "message", "content", "finish_reason", "error",
)  # fmt: skip
RECORDS = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8).map(json.dumps)
LINES = st.one_of(
    st.binary(max_size=300), HOSTILE.map(lambda text: text.encode("utf-8", "replace")), RECORDS.map(str.encode)
)


def in_file(content: bytes) -> Path:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(content)
    return Path(file.name)
