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
    path: Path,
    *,
    bench: str | None = None,
    models: Sequence[str] | None = None,
    prompt_set: str | None = None,
    references: str | None = None,
    failures: Path | None = None,
) -> Scoreboard:
    """Read a single-mode judgment file, FastChat's or ours, and the failures that belong to it.

    A file may hold judgments made with several prompt sets and sources of references; they are never averaged.
    `prompt_set` and `references` choose; what they leave open is settled by the newest judgment.

    Raises:
        UsageError: unreadable, or nothing to show.
    """
    lines = [line for _, line in read_lines(path, JudgmentLine)] if path.exists() else []
    lines = [line for line in lines if not models or line.model in models]
    lines = [line for line in lines if prompt_set in (None, line.prompt_set)]
    lines = [line for line in lines if references in (None, _source(line))]
    if lines:
        newest = max(lines, key=lambda line: line.tstamp)
        prompt_set, references = newest.prompt_set, _source(newest)
        lines = [line for line in lines if (line.prompt_set, _source(line)) == (prompt_set, references)]
    judge = lines[0].judge[0] if lines else path.name.removesuffix("_single.jsonl")
    failed = Counter(
        failure.model
        for failure in _failures(failures)
        if failure.bench == bench
        and (not models or failure.model in models)
        and (failure.stage == "answer" or failure.failed_slot[6:9] == [judge, prompt_set, references])
    )
    if not lines and not failed:
        raise UsageError(f"{path}: no judgments{' of ' + ', '.join(models) if models else ''}")
    rows = [(line.model, line.question_id, line.turn, line.score) for line in lines]
    frame = pd.DataFrame(rows, columns=pd.Index(["model", "question_id", "turn", "score"]))
    return Scoreboard(bench, judge, prompt_set, references, score_models(frame, failed))


def _source(line: JudgmentLine) -> str | None:
    return line.references.source if line.references else None


def _failures(path: Path | None) -> list[FailureRecord]:
    return [failure for _, failure in read_lines(path, FailureRecord)] if path is not None and path.exists() else []
