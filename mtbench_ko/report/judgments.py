"""Judgment files as a table of rows that may be averaged together."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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
    """What one judge found in one mode, with one prompt set and one source of references.

    `excluded`: the questions that were left out.
    """

    mode: str
    bench: str | None
    judge: str
    prompt_set: str | None
    references: str | None
    models: dict[str, ModelScores] | dict[str, PairScores]
    excluded: Sequence[int] = ()

    def describe(self) -> dict[str, Any]:
        """What `show --format json` prints."""
        return {
            "mode": self.mode,
            "bench": self.bench,
            "judge": self.judge,
            "prompt_set": self.prompt_set,
            "references": self.references,
            "excluded": list(self.excluded),
            "models": {model: scores.describe() for model, scores in self.models.items()},
        }


def read_scoreboard(
    paths: Sequence[Path],
    *,
    mode: str = "single",
    baseline: str | None = None,
    bench: str | None = None,
    models: Sequence[str] | None = None,
    prompt_set: str | None = None,
    references: str | None = None,
    failures: Sequence[Path] = (),
    exclude: Collection[int] = (),
) -> Scoreboard:
    """Read judgment files, FastChat's or ours, and the `failures` that belong to them, as one table.

    They may hold judgments made with several judges, prompt sets and sources of references; these are never averaged.
    `prompt_set` and `references` choose; what they leave open is settled by the newest judgment. Of pairs those of
    two of the `models` count, or of one of them and the `baseline`. Questions in `exclude` do not count.

    Raises:
        UsageError: unreadable, not files of that mode, the same answers in two of them, or nothing to show.
    """
    single = mode == "single"
    kind = "judgment" if single else "game"
    baseline = baseline if mode == "pairwise-baseline" else None
    wanted = {*models, *([baseline] if baseline else [])} if models else None
    shape: type[JudgmentLine] | type[PairLine] = JudgmentLine if single else PairLine
    lines: list[JudgmentLine | PairLine] = []
    for path in paths:
        fresh = [line for _, line in read_lines(path, shape)] if path.exists() else []
        doubled = set(map(_models, lines)) & set(map(_models, fresh))
        if doubled:
            names = ", ".join(sorted(" vs ".join(sorted(names)) for names in doubled))
            raise UsageError(f"{path}: judgments of {names} stand in another output too; show them apart")
        lines += fresh
    lines = [line for line in lines if wanted is None or wanted.issuperset(_models(line))]
    lines = [line for line in lines if line.question_id not in exclude]
    lines = [line for line in lines if prompt_set in (None, line.prompt_set)]
    lines = [line for line in lines if references in (None, line.source)]
    lost = [failure for file in failures for failure in _failures(file) if failure.bench == bench]
    lost = [failure for failure in lost if failure.failed_slot[0] in ("turn", kind)]
    lost = [failure for failure in lost if failure.question_id not in exclude]
    newest = _newest(lines, [failure for failure in lost if failure.failed_slot[0] == kind])
    judge, prompt_set, references = newest or (paths[0].stem.rpartition("_")[0], prompt_set, references)
    lines = [line for line in lines if (line.judge[0], line.prompt_set, line.source) == (judge, prompt_set, references)]
    failed = Counter(
        model
        for names in _failed(lost, kind, [judge, prompt_set, references])
        if (wanted is None or wanted.issuperset(names)) and (baseline is None or baseline in names)
        for model in names
    )
    if not lines and not failed:
        raise UsageError(f"{', '.join(map(str, paths))}: no judgments{' of ' + ', '.join(models) if models else ''}")
    frame = pd.DataFrame([line.model_dump() for line in lines], columns=pd.Index(_COLUMNS[single]))
    scores = score_models(frame, failed) if single else score_pairs(frame, failed, baseline)
    return Scoreboard(mode, bench, judge, prompt_set, references, scores, sorted(exclude))


_COLUMNS = {
    True: ["model", "question_id", "turn", "score"],
    False: ["model_1", "model_2", "g1_winner", "g2_winner"],
}


def _models(line: JudgmentLine | PairLine) -> frozenset[str]:
    return frozenset([line.model] if isinstance(line, JudgmentLine) else [line.model_1, line.model_2])


def _newest(
    lines: Sequence[JudgmentLine | PairLine], failures: Sequence[FailureRecord]
) -> tuple[str, str | None, str | None] | None:
    """Judge, prompt set and source of references of the newest judgment, or without any of the newest failure."""
    if lines:
        line = max(lines, key=lambda line: line.tstamp)
        return line.judge[0], line.prompt_set, line.source
    if failures:
        judge, prompt_set, references, _ = max(failures, key=lambda failure: failure.tstamp).failed_slot[-4:]
        return judge, prompt_set, references
    return None


def _failed(failures: Iterable[FailureRecord], kind: str, made_with: list[str | None]) -> list[frozenset[str]]:
    """The models that each failure leaves without a result; both games of a comparison count once.

    An answer that failed leaves no grade; that it cannot be compared is told by a failure of each comparison.
    """
    found: dict[tuple[Any, ...], frozenset[str]] = {}
    for failure in failures:
        slot = failure.failed_slot
        if failure.stage == "answer" and kind == "judgment":
            found[tuple(slot)] = frozenset({failure.model})
        elif slot[0] == kind and slot[-4:-1] == made_with:
            names = frozenset(slot[2:3] if kind == "judgment" else slot[2:4])
            found[names, *slot[len(names) + 2 :]] = names
    return list(found.values())


def _failures(path: Path) -> list[FailureRecord]:
    return [failure for _, failure in read_lines(path, FailureRecord)] if path.exists() else []
