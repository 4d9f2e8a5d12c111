"""Reading JSON Lines with errors that name the file, the line and the field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mtbench_ko.errors import UsageError
from mtbench_ko.lines import well_formed

Line = TypeVar("Line", bound=BaseModel)


def read_lines(path: Path, shape: type[Line]) -> Iterator[tuple[int, Line]]:
    """Yield (line number from 1, record) for each line of `path` that is not blank.

    Raises:
        UsageError: the file cannot be read, or a line is not JSON or not of `shape`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}:{number}: not JSON: {error.msg} at column {error.colno}") from error
        try:
            yield number, shape.model_validate(_well_formed(value) if "\\ud" in line.lower() else value)
        except ValidationError as error:
            raise UsageError(f"{path}:{number}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """One line that names each faulty field and what is wrong with it."""
    return "; ".join(
        f"field '{'.'.join(map(str, e['loc'])) or '(the whole line)'}': {e['msg']}" for e in error.errors()
    )


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    return value
