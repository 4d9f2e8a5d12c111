"""Reading JSON Lines with errors that name the file, the line and the field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from mtbench_ko.errors import UsageError
from mtbench_ko.lines import describe, well_formed_json

Line = TypeVar("Line", bound=BaseModel)


def read_lines(path: Path, shape: type[Line]) -> Iterator[tuple[int, Line]]:
    """Yield (line number from 1, record) for each line of `path` that is not blank.

    Raises:
        UsageError: the file cannot be read, or a line is not JSON or not of `shape`.
    """
    for number, line in read_texts(path):
        yield number, parse(line, shape, f"{path}:{number}")


def read_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for each line of `path` that is not blank.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:  # lines end with \n alone: text may hold U+2028 and its like
            for number, raw in enumerate(stream, start=1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error


def parse(line: str, shape: type[Line], where: str) -> Line:
    """The record of one line.

    Raises:
        UsageError: not JSON, or not of `shape`; the message begins with `where`.
    """
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits, brackets too deep
        raise UsageError(f"{where}: JSON that cannot be read: {error}") from error
    try:
        return shape.model_validate(well_formed_json(value) if "\\ud" in line.lower() else value)
    except ValidationError as error:
        raise UsageError(f"{where}: {describe(error)}") from error
