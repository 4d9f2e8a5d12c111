"""Which question sets are known by name: our own, which ships, and those of others, pinned to a revision by hash."""

import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from mtbench_ko.errors import UsageError

OWN = "mt_bench_ko_native"
PROMPTS = "judge_prompts.jsonl"


class PinnedFile(BaseModel):
    """One file of a data set.

    Attributes:
        path: where it lies in the folder of the set.
        remote: where it lies below the source's `folder`.
        sha256: of its bytes; None where it could not be seen when this was written: the first download counts then.
        bytes: its length, None likewise.
        turns: question id -> the first 12 hex digits of the sha256 of each turn's text, to name what differs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    remote: str
    sha256: str | None = None
    bytes: int | None = None
    turns: dict[int, list[str]] = {}


class DataSet(BaseModel):
    """One file of data/registry: what a set is, who made it, and where exactly it comes from.

    Attributes:
        revision: a commit; of a set without hashes a branch, whose commit at the first download counts from then on.
        by_content: a Hugging Face repository that has the same files under names that are not known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Literal["questions", "answers and judgments"]
    about: str
    licence: str
    citation: str
    host: Literal["github", "huggingface"]
    repo: str
    revision: str
    folder: str
    by_content: str | None = None
    files: list[PinnedFile]

    @property
    def source(self) -> str:
        """Repository and revision, as people read them."""
        return f"{self.repo} at {self.revision[:12]}"

    @property
    def pinned(self) -> bool:
        """Whether the hash of every file is known beforehand."""
        return all(file.sha256 for file in self.files)

    @property
    def has_prompts(self) -> bool:
        """Whether judge prompts belong to it."""
        return any(file.path == PROMPTS for file in self.files)

    def url(self, file: PinnedFile, revision: str | None = None) -> str:
        """Where `file` is fetched from, at another `revision` if given."""
        if self.host == "github":
            base = f"https://raw.githubusercontent.com/{self.repo}/{self.revision}"
        else:
            base = f"{hub()}/{self.repo}/resolve/{revision or self.revision}"
        return f"{base}/{self.folder}/{file.remote}"


def hub() -> str:
    """Hugging Face, or what HF_ENDPOINT names in its place."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def data_root() -> Path:
    """The data of this project: inside the wheel, or in the source tree."""
    packed = Path(str(files("mtbench_ko"))) / "_data"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "data"


@cache
def registry() -> Mapping[str, DataSet]:
    """The data sets of others that are known by name."""
    sets = [
        DataSet.model_validate_json(path.read_bytes()) for path in sorted((data_root() / "registry").glob("*.json"))
    ]
    return {each.name: each for each in sets}


def find_set(name: str) -> DataSet:
    """The registered set called `name`.

    Raises:
        UsageError: there is none.
    """
    if name not in registry():
        raise UsageError(f"unknown data set '{name}': known are {', '.join(registry())}")
    return registry()[name]


def name_of(bench_name: str) -> str:
    """The name that `--bench-name` gives paths and records: of a folder its last element."""
    return Path(bench_name).resolve().name if "/" in bench_name else bench_name
