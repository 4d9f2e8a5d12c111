"""Which turns of a question set are exempt from which language checks, by data."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mtbench_ko.bench.bench import Bench
from mtbench_ko.bench.cache import DataCache
from mtbench_ko.bench.jsonl import read_lines
from mtbench_ko.bench.place import locate
from mtbench_ko.bench.registry import data_root
from mtbench_ko.hashing import sha256_text

Exemption = Literal["not_korean", "switched", "speech", "komt"]
Exemptions = Mapping[tuple[int, int], frozenset[str]]
"""(Question id, turn) -> the checks of `stats.language` that say nothing of its answers."""


class _Row(BaseModel):
    """One line: `turn` of the question, with exactly this text, asks for what the checks would take for a fault."""

    model_config = ConfigDict(extra="forbid")

    question_id: int
    turn: int = Field(ge=1, le=2)
    question_sha256: str
    exempt: list[Exemption] = Field(min_length=1)
    reason: str = Field(min_length=1)


def load_exemptions(bench_name: str, bench: Bench, cache: DataCache | None = None) -> Exemptions:
    """The exemptions of `bench`, the set `bench_name`: its own language.jsonl, or this project's; none without either.

    Raises:
        UsageError: a malformed line.
    """
    own = locate(bench_name, cache, fetch=False).folder / "language.jsonl"
    files = (own, data_root() / "language" / f"{bench.name}.jsonl")
    file = next((file for file in files if file.is_file()), None)
    rows = [row for _, row in read_lines(file, _Row)] if file else []
    turns = {
        (question.question_id, number): text
        for question in bench.questions.values()
        for number, text in enumerate(question.turns, start=1)
    }
    return {
        (row.question_id, row.turn): frozenset(row.exempt)
        for row in rows
        if sha256_text(turns.get((row.question_id, row.turn), "")) == row.question_sha256
    }
