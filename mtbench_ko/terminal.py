"""Text of others on a terminal, which it must not steer."""

import re

_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` with U+FFFD for control characters, but line ends and tabs, and for marks that turn its direction."""
    return _STEERS.sub("\ufffd", text)
