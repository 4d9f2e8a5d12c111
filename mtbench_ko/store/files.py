"""Writing files so that readers see the old content or the new, never a part."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: str | bytes | Iterable[bytes]) -> None:
    """Replace `path` by a file holding `content`; the folder is made if need be."""
    if isinstance(content, str):
        content = content.encode("utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as stream:
            stream.writelines([content] if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk above all, on which the half would stay and keep others from being written
        temporary.unlink(missing_ok=True)
        raise


def write_jsonl(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Replace `path` by one JSON object a line."""
    write_atomically(path, (json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n" for line in lines))


def file_name(name: str) -> str:
    """The name of a model or judge as a file stem: `/` becomes `__`."""
    return name.replace("/", "__")
