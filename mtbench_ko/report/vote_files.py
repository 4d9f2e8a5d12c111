"""Reading files of votes: FastChat's (a JSON list, or JSON Lines), those of the data set lmsys/mt_bench_human_judgments
(parquet, or JSON Lines), and judgment files, FastChat's or ours."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mtbench_ko.bench import read_texts
from mtbench_ko.errors import UsageError
from mtbench_ko.lines import JudgmentLine, PairLine, describe, well_formed_json

_BETWEEN = re.compile(r"[\s,]*")


class Vote(BaseModel):
    """One vote as FastChat and the data set write it. A `winner` with "tie" in it is a tie; "error" is no verdict."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    question_id: int
    model_a: str
    model_b: str
    turn: Literal[1, 2]
    winner: str = Field(pattern="^(model_a|model_b|error|.*tie.*)$")
    judge: str | tuple[str, str]


def read_vote_file(path: Path) -> Iterator[tuple[str, Vote | PairLine | JudgmentLine]]:
    """Yield (where it stands, record) for each record of `path`.

    Raises:
        UsageError: the file cannot be read, or a record is not of one of these shapes.
    """
    for where, value in _values(path):
        fields = value if isinstance(value, dict) else {}
        shape = PairLine if "g1_winner" in fields else JudgmentLine if "score" in fields else Vote
        try:
            yield where, shape.model_validate(well_formed_json(value))
        except ValidationError as error:
            raise UsageError(f"{where}: {describe(error)}") from error


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix == ".parquet":
        return _parquet(path)
    first = next(read_texts(path), (1, ""))[1]
    return _json_list(path) if first.lstrip().startswith("[") else _json_lines(path)


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, text in read_texts(path):
        yield f"{path}:{number}", _json(text, path, number)


def _json_list(path: Path) -> Iterator[tuple[str, Any]]:
    """Each item with the line that it begins on."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    _json(text, path, 1)
    decoder, line, at, end = json.JSONDecoder(), 1, 0, text.index("[") + 1
    while text[start := _BETWEEN.match(text, end).end()] != "]":  # type: ignore[union-attr]
        line, at = line + text.count("\n", at, start), start
        value, end = decoder.raw_decode(text, start)
        yield f"{path}:{line}", value


def _json(text: str, path: Path, line: int) -> Any:
    """Raises UsageError; `text` begins on `line`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{line + error.lineno - 1}"
        raise UsageError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits, brackets too deep
        raise UsageError(f"{path}: JSON that cannot be read: {error}") from error


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    """The rows, without the conversations."""
    script = Path(__file__).with_name("parquet_script.py")
    command = [sys.executable, "-P", str(script), str(path), *Vote.model_fields]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    try:
        if result.returncode:  # a broken file raises whatever its bytes lead to, or crashes
            told = result.stderr.strip().rpartition("\n")[2] if result.returncode > 0 else ""
            raise ValueError(told or "it is damaged")
        rows = json.loads(result.stdout.rstrip("\n").rpartition("\n")[2])
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read as parquet: {error}") from error
    for number, row in enumerate(rows, start=1):
        yield f"{path}: row {number}", row
