"""A key that is looked for everywhere, in files, in what was said, and in command lines."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

CANARY = "sk-canary-9d41c7e05b"
EVERYWHERE = dict.fromkeys(
    (
        "OPENAI_API_KEY", "MTBENCH_KO_JUDGE_API_KEY", "MTBENCH_KO_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    ),
    CANARY,
)  # fmt: skip
LOUD = {"OPENAI_LOG": "debug", "PYTHONASYNCIODEBUG": "1"}
"""What makes the program's libraries tell most."""
UNREACHED = f"http://user:{CANARY}@127.0.0.1:9"


def nowhere(folder: Path, *results: subprocess.CompletedProcess[str]) -> None:
    """The canary was neither said nor written."""
    assert CANARY not in "".join(result.stdout + result.stderr for result in results)
    assert written(folder.rglob("*")) == []


def below(folders: Iterable[Path]) -> Iterator[Path]:
    """All files in `folders`, which others write and remove meanwhile."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            yield from (Path(place) / name for name in names)


def command_lines() -> Iterator[bytes]:
    """Of all processes."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield entry.read_bytes()


def written(paths: Iterable[Path]) -> list[Path]:
    found = []
    for path in paths:
        try:
            if path.is_file() and CANARY.encode() in path.read_bytes():
                found.append(path)
        except OSError:  # of another user, or gone meanwhile
            continue
    return found
