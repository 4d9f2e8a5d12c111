"""Judgment files as a table of rows that may be averaged together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mtbench_ko.bench import read_lines
from mtbench_ko.errors import UsageError
from mtbench_ko.records import FailureRecord, JudgmentLine
from mtbench_ko.stats import ModelScores, score_models


@dataclass(frozen=True)
class Scoreboard:
    """The scores of one judge with one prompt set and one source of references."""

    bench: str | None
    judge: str
    prompt_set: str | None
    references: str | None
    models: dict[str, ModelScores]

    def describe(self) -> dict[str, Any]:
        """What `show --format json` prints."""
        return {
            "mode": "single",
            "bench": self.bench,
            "judge": self.judge,
            "prompt_set": self.prompt_set,
            "references": self.references,
            "models": {model: scores.describe() for model, scores in self.models.items()},
        }


def read_scoreboard(
    path: Path, *, bench: str | None = None, models: Sequence[str] | None = None, failures: Path | None = None
) -> Scoreboard:
    """Read a single-mode judgment file, FastChat's or ours, and the failures beside it.

    Judgments that were shown no reference belong to every source of references.

    Raises:
        UsageError: unreadable, empty, or several prompt sets or sources of references in one file.
    """
    lines = [line for _, line in read_lines(path, JudgmentLine) if not models or line.model in models]
    if not lines:
        raise UsageError(f"{path}: no judgments{' of ' + ', '.join(models) if models else ''}")
    judge = lines[0].judge[0]
    prompt_set = _one(path, "prompt sets", {line.prompt_set for line in lines})
    references = _one(path, "sources of references", {line.references.source for line in lines if line.references})
    frame = pd.DataFrame([(line.model, line.question_id, line.turn, line.score) for line in lines])
    frame.columns = pd.Index(["model", "question_id", "turn", "score"])
    failed = Counter[str]()
    if failures is not None and failures.exists():
        failed.update(
            failure.model
            for _, failure in read_lines(failures, FailureRecord)
            if failure.bench == bench and (not models or failure.model in models)
        )
    return Scoreboard(bench, judge, prompt_set, references, score_models(frame, failed))


def _one(path: Path, what: str, found: set[str | None]) -> str | None:
    if len(found) > 1:
        names = ", ".join(str(name) for name in sorted(found, key=str))
        raise UsageError(f"{path}: judgments of several {what} are not averaged: {names}")
    return next(iter(found), None)
