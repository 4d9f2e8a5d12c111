"""A journal whose lines go to a bucket."""

import json
from pathlib import Path


def line(number: int, text: str = "답") -> bytes:
    """A journal line: turn 1 of question `number`."""
    record = {
        "kind": "turn", "bench": "b", "question_id": number, "choice": 0, "turn": 1, "key": "k", "tstamp": 1.0,
        "model_id": "m", "messages_sha256": "x", "text": text, "finish_reason": "stop",
    }  # fmt: skip
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def write_journal(spool: Path, *lines: bytes) -> None:
    (spool / "_state").mkdir(parents=True, exist_ok=True)
    with (spool / "_state" / "journal.jsonl").open("ab") as stream:
        stream.write(b"".join(lines))


def journal(spool: Path) -> list[bytes]:
    return (spool / "_state" / "journal.jsonl").read_bytes().splitlines(keepends=True)
