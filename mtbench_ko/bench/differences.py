"""What differs between a file and the one that was pinned, down to the turn."""

import json
from itertools import zip_longest
from pathlib import Path

from mtbench_ko.bench.download import Unavailable
from mtbench_ko.bench.registry import PinnedFile
from mtbench_ko.hashing import sha256_text

DIGITS = 12


def turn_digests(path: Path) -> dict[int, list[str]]:
    """Question id -> the start of each turn's hash, of a file of questions or of answers.

    Raises:
        ValueError: the file has another shape; the message names the line.
    """
    digests = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            turns = record["turns"] if "turns" in record else record["choices"][0]["turns"]
            digests[int(record["question_id"])] = [sha256_text(turn)[:DIGITS] for turn in turns]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} cannot be read") from error
    return digests


def differing_turns(path: Path, file: PinnedFile) -> str:
    """ "; what differs: ..." for the file at `path`, which should be `file`; empty where turns say nothing of it."""
    if not file.turns:
        return ""
    try:
        found = turn_digests(path)
    except ValueError as error:
        return f"; {error}"
    places = [
        f"question {number}, turn {turn}"
        for number in sorted(file.turns | found)
        for turn, pair in enumerate(zip_longest(file.turns.get(number, []), found.get(number, [])), start=1)
        if pair[0] != pair[1]
    ]
    if not places:
        return "; it differs outside of the turns"
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"; what differs: {'; '.join(places[:3])}{more}"


def require_json_lines(path: Path, place: str) -> None:
    """A file that is taken on trust must at least be JSON Lines, not a proxy's login page.

    Raises:
        Unavailable: it is not.
    """
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    try:
        if lines and all(isinstance(json.loads(line), dict) for line in lines):
            return
    except ValueError:
        pass
    raise Unavailable(f"{place}: not JSON Lines")
