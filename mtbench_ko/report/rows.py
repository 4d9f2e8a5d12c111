"""The lines of judgment files and the failures beside them, as rows to count."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from mtbench_ko.bench import read_lines
from mtbench_ko.errors import UsageError
from mtbench_ko.lines import JudgmentLine, PairLine
from mtbench_ko.records import FailureRecord

Line = JudgmentLine | PairLine
AnyLine = TypeVar("AnyLine", bound=Line)


class MadeWith(NamedTuple):
    """What a judgment was made with; `references` is their source."""

    judge: str
    prompt_set: str | None
    references: str | None


_COLUMNS = {
    True: ["model", "question_id", "choice", "turn", "repeat", "score"],
    False: ["model_1", "model_2", "question_id", "turn", "g1_winner", "g2_winner", "rated"],
}


class Lost(NamedTuple):
    """An item without a result: of these models, one or the two of a comparison."""

    models: frozenset[str]
    question_id: int
    choice: int
    turn: int


def made_with(line: Line) -> MadeWith:
    return MadeWith(line.judge[0], line.prompt_set, line.source)


def meant_with(failure: FailureRecord) -> MadeWith | None:
    """What the judgment that a failure stands for should have been made with; None if it is about an answer."""
    return None if failure.failed_slot[0] == "turn" else MadeWith(*failure.failed_slot[-4:-1])


def is_asked(made: MadeWith, judges: Collection[str], prompt_set: str | None, references: str | None) -> bool:
    """Whether it is one of the `judges`, or these are none, with the prompts and references, where they are given."""
    asked = prompt_set in (None, made.prompt_set) and references in (None, made.references)
    return asked and (not judges or made.judge in judges)


def judges_like(made: MadeWith, lines: Iterable[Line], failures: Iterable[FailureRecord]) -> list[str]:
    """The judges that judged, or failed to, as `made` says."""
    every = {*map(made_with, lines), *filter(None, map(meant_with, failures))}
    return sorted({one.judge for one in every if one == made._replace(judge=one.judge)} | {made.judge})


def models_of(line: Line) -> frozenset[str]:
    return frozenset([line.model] if isinstance(line, JudgmentLine) else [line.model_1, line.model_2])


def read_judgments(paths: Sequence[Path], single: bool) -> list[Line]:
    """The lines of all files; one that does not exist has none.

    Raises:
        UsageError: unreadable, not files of that mode, or the same answers in two of them.
    """
    shape: type[JudgmentLine] | type[PairLine] = JudgmentLine if single else PairLine
    lines: list[Line] = []
    for path in paths:
        fresh = [line for _, line in read_lines(path, shape)] if path.exists() else []
        doubled = _judged(lines) & _judged(fresh)
        if doubled:
            names = ", ".join(sorted(" vs ".join(sorted(names)) for _, names in doubled))
            raise UsageError(f"{path}: judgments of {names} stand in another output too; show them apart")
        lines += fresh
    return lines


def read_failures(paths: Sequence[Path], bench: str | None, kind: str) -> list[FailureRecord]:
    """The failures of `bench` that leave a "judgment" or a "game" without a result."""
    found = [failure for path in paths if path.exists() for _, failure in read_lines(path, FailureRecord)]
    return [failure for failure in found if failure.bench == bench and failure.failed_slot[0] in ("turn", kind)]


def newest(lines: Sequence[Line], failures: Sequence[FailureRecord]) -> MadeWith | None:
    """What the newest judgment was made with, or without any judgment the newest failure of one."""
    if lines:
        return made_with(max(lines, key=lambda line: line.tstamp))
    judged = [failure for failure in failures if failure.failed_slot[0] != "turn"]
    if judged:
        return meant_with(max(judged, key=lambda failure: failure.tstamp))
    return None


def newest_of_each(lines: Iterable[AnyLine], prompt_set: str | None, references: str | None) -> list[AnyLine]:
    """Of each judge the lines with `prompt_set` and `references`, what they leave open as in its newest of these."""
    by_judge: dict[str, list[AnyLine]] = defaultdict(list)
    for line in lines:
        if prompt_set in (None, line.prompt_set) and references in (None, line.source):
            by_judge[line.judge[0]].append(line)
    made = {judge: newest(own, []) for judge, own in by_judge.items()}
    return [line for judge, own in by_judge.items() for line in own if made_with(line) == made[judge]]


def lost_items(failures: Iterable[FailureRecord], kind: str, made: MadeWith) -> list[Lost]:
    """The items that failures leave without a result; both games of a comparison count once.

    An answer that failed leaves no grade; that it cannot be compared is told by a failure of each comparison.
    """
    found: dict[tuple[Any, ...], Lost] = {}
    for failure in failures:
        slot = failure.failed_slot
        if failure.stage == "answer" and kind == "judgment":
            found[tuple(slot)] = Lost(frozenset({failure.model}), failure.question_id, failure.choice, failure.turn)
        elif slot[0] == kind and meant_with(failure) == made:
            names = frozenset(slot[2:3] if kind == "judgment" else slot[2:4])
            found[names, *slot[len(names) + 2 :]] = Lost(names, failure.question_id, failure.choice, failure.turn)
    return list(found.values())


def frame(lines: Iterable[Line], single: bool, categories: Mapping[int, str] | None = None) -> pd.DataFrame:
    """One row for each line, with the columns that `stats` asks for, and category where `categories` are given."""
    rows = [
        line.model_dump()
        | {
            "judge": line.judge[0],
            "source": line.source,
            "sha256": line.references.sha256 if line.references else None,
            "rated": isinstance(line, PairLine) and line.m1_score is not None,
        }
        for line in lines
    ]
    return _categorized(pd.DataFrame(rows, columns=[*_COLUMNS[single], "judge", "source", "sha256"]), categories)


def lost_frame(items: Iterable[Lost], categories: Mapping[int, str] | None = None) -> pd.DataFrame:
    """One row for each model of each item: model, question_id, choice, turn, and category."""
    rows = [(model, *item[1:]) for item in items for model in item.models]
    return _categorized(pd.DataFrame(rows, columns=["model", "question_id", "choice", "turn"]), categories)


def _categorized(rows: pd.DataFrame, categories: Mapping[int, str] | None) -> pd.DataFrame:
    return rows if categories is None else rows.assign(category=rows["question_id"].map(categories))


def _judged(lines: Iterable[Line]) -> set[tuple[str, frozenset[str]]]:
    """Which judge judged which models."""
    return {(line.judge[0], models_of(line)) for line in lines}
