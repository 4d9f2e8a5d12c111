"""Judgment files as a table of rows that may be averaged together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mtbench_ko.bench import read_lines
from mtbench_ko.errors import UsageError
from mtbench_ko.lines import JudgmentLine, PairLine
from mtbench_ko.records import FailureRecord
from mtbench_ko.stats import ModelScores, PairScores, score_models, score_pairs


@dataclass(frozen=True)
class Scoreboard:
    """What one judge found in one mode, with one prompt set and one source of references."""

    mode: str
    bench: str | None
    judge: str
    prompt_set: str | None
    references: str | None
    models: dict[str, ModelScores] | dict[str, PairScores]

    def describe(self) -> dict[str, Any]:
        """What `show --format json` prints."""
        return {
            "mode": self.mode,
            "bench": self.bench,
            "judge": self.judge,
            "prompt_set": self.prompt_set,
            "references": self.references,
            "models": {model: scores.describe() for model, scores in self.models.items()},
        }


def read_scoreboard(
    path: Path,
    *,
    mode: str = "single",
    baseline: str | None = None,
    bench: str | None = None,
    models: Sequence[str] | None = None,
    prompt_set: str | None = None,
    references: str | None = None,
    failures: Path | None = None,
) -> Scoreboard:
    """Read a judgment file, FastChat's or ours, and the failures that belong to it.

    A file may hold judgments made with several prompt sets and sources of references; they are never averaged.
    `prompt_set` and `references` choose; what they leave open is settled by the newest judgment. Of pairs those of
    two of the `models` count, or of one of them and the `baseline`.

    Raises:
        UsageError: unreadable, not a file of that mode, or nothing to show.
    """
    single = mode == "single"
    baseline = baseline if mode == "pairwise-baseline" else None
    wanted = {*models, *([baseline] if baseline else [])} if models else None
    shape: type[JudgmentLine] | type[PairLine] = JudgmentLine if single else PairLine
    lines: list[JudgmentLine | PairLine] = [line for _, line in read_lines(path, shape)] if path.exists() else []
    lines = [line for line in lines if wanted is None or wanted.issuperset(_models(line))]
    lines = [line for line in lines if prompt_set in (None, line.prompt_set)]
    lines = [line for line in lines if references in (None, line.source)]
    if lines:
        newest = max(lines, key=lambda line: line.tstamp)
        prompt_set, references = newest.prompt_set, newest.source
        lines = [line for line in lines if (line.prompt_set, line.source) == (prompt_set, references)]
    judge = lines[0].judge[0] if lines else path.stem.rpartition("_")[0]
    lost = [failure for failure in _failures(failures) if failure.bench == bench]
    made_with = [judge, prompt_set, references]
    failed = Counter(
        model
        for models_of_one in _failed(lost, "judgment" if single else "game", made_with)
        if wanted is None or wanted.issuperset(models_of_one)
        for model in models_of_one
    )
    if not lines and not failed:
        raise UsageError(f"{path}: no judgments{' of ' + ', '.join(models) if models else ''}")
    frame = pd.DataFrame([line.model_dump() for line in lines], columns=pd.Index(_COLUMNS[single]))
    scores = score_models(frame, failed) if single else score_pairs(frame, failed, baseline)
    return Scoreboard(mode, bench, judge, prompt_set, references, scores)


_COLUMNS = {
    True: ["model", "question_id", "turn", "score"],
    False: ["model_1", "model_2", "g1_winner", "g2_winner"],
}


def _models(line: JudgmentLine | PairLine) -> set[str]:
    return {line.model} if isinstance(line, JudgmentLine) else {line.model_1, line.model_2}


def _failed(failures: Iterable[FailureRecord], kind: str, made_with: list[str | None]) -> list[frozenset[str]]:
    """The models that each failure leaves without a result; both games of a comparison count once."""
    found: dict[tuple[Any, ...], frozenset[str]] = {}
    for failure in failures:
        slot = failure.failed_slot
        if failure.stage == "answer":
            found[tuple(slot)] = frozenset({failure.model})
        elif slot[0] == kind and slot[-4:-1] == made_with:
            names = frozenset(slot[2:3] if kind == "judgment" else slot[2:4])
            found[names, *slot[len(names) + 2 :]] = names
    return list(found.values())


def _failures(path: Path | None) -> list[FailureRecord]:
    return [failure for _, failure in read_lines(path, FailureRecord)] if path is not None and path.exists() else []
