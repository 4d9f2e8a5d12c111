"""FastChat's files as views of the journal, each at one path and replaced as a whole."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mtbench_ko.bench import read_lines
from mtbench_ko.errors import UsageError
from mtbench_ko.lines import Answer
from mtbench_ko.records import TurnRecord
from mtbench_ko.store.files import file_name

log = logging.getLogger(__name__)
JUDGMENT_SUFFIXES = {"judgment": "_single.jsonl", "game": "_pair.jsonl"}


def answer_path(output: Path, bench: str, model: str) -> Path:
    return output / bench / "model_answer" / f"{file_name(model)}.jsonl"


def judgment_path(output: Path, bench: str, judge: str, kind: str) -> Path:
    """The file of a judge's "judgment" records or "game" records."""
    return output / bench / "model_judgment" / f"{file_name(judge)}{JUDGMENT_SUFFIXES[kind]}"


def judgment_files(output: Path, bench: str, kind: str, judges: Sequence[str] = ()) -> list[Path]:
    """The files of the `judges`, there or not; without them all that are there, or else a pattern that says where."""
    folder, pattern = output / bench / "model_judgment", f"*{JUDGMENT_SUFFIXES[kind]}"
    named = [judgment_path(output, bench, judge, kind) for judge in judges]
    return named or sorted(folder.glob(pattern)) or [folder / pattern]


def failures_path(output: Path) -> Path:
    return output / "_state" / "failures.jsonl"


@dataclass(frozen=True)
class View:
    """A file and the lines that the journal makes for it."""

    path: Path
    lines: Iterable[dict[str, Any]]

    def is_foreign(self, knows: Callable[[str], bool]) -> bool:
        """Whether the file on disk has a line without a key that our journal `knows`."""
        if not self.path.exists():
            return False
        try:
            keys = [line.key for _, line in read_lines(self.path, _Keyed)]
        except UsageError:  # not even JSON Lines
            return True
        return not all(key and all(map(knows, [key] if isinstance(key, str) else key)) for key in keys)


class _Keyed(BaseModel):
    """The key of a line: of a judgment one, of an answer one for each choice."""

    key: str | list[str] | None = None


def answer_lines(turns: Iterable[TurnRecord]) -> Iterator[dict[str, Any]]:
    """One line for each question, in FastChat's shape; its choices hold the turns that are finished.

    `turns` of one model come in the order of their slots.
    """
    for _, group in groupby(turns, lambda turn: turn.question_id):
        choices = whole_choices(group)
        if not choices:
            continue
        firsts = [turns[0] for turns in choices.values()]
        yield {
            "question_id": firsts[0].question_id,
            "answer_id": firsts[0].key[:22],
            "model_id": firsts[0].model_id,
            "choices": [
                {
                    "index": index,
                    "turns": [turn.text for turn in turns],
                    "finish_reason": [turn.finish_reason for turn in turns],
                    "usage": [turn.usage for turn in turns],
                    "reasoning": [turn.reasoning for turn in turns],
                }
                for index, turns in choices.items()
            ],
            "tstamp": max(turn.tstamp for turns in choices.values() for turn in turns),
            "key": [first.key for first in firsts],
        }


def whole_choices(turns: Iterable[TurnRecord]) -> Mapping[int, list[TurnRecord]]:
    """Choice -> its turns from the first on, of one key; a later turn of an older conversation is left out."""
    choices: dict[int, list[TurnRecord]] = defaultdict(list)
    for turn in turns:
        started = choices[turn.choice]
        if turn.turn == len(started) + 1 and all(earlier.key == turn.key for earlier in started):
            started.append(turn)
    return {index: started for index, started in choices.items() if started}


SavedAnswer = tuple[str, int, int, list[str]]
"""Model, question id, choice, turns."""


def saved_answers(output: Path, bench: str, models: Sequence[str] | None) -> Iterator[SavedAnswer]:
    """Yield the answers of every answer file, of all models or of `models`. Raises UsageError as `read_answers`."""
    for model, answer in read_answers(output, bench, models):
        for choice in answer.choices:
            yield model, answer.question_id, choice.index, choice.turns


def read_answers(output: Path, bench: str, models: Sequence[str] | None) -> Iterator[tuple[str, Answer]]:
    """Yield the lines of every answer file, ours or FastChat's, each with its model; of all models, or of `models`.

    The file's stem names the model, as in FastChat.

    Raises:
        UsageError: a malformed line, or no file for one of `models`.
    """
    folder = output / bench / "model_answer"
    paths = [answer_path(output, bench, model) for model in models] if models else sorted(folder.glob("*.jsonl"))
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path}: no such answer file; there are: {', '.join(_stems(folder)) or 'none'}")
        for number, answer in read_lines(path, Answer):
            model = answer.model_id
            if file_name(model) != path.stem:
                log.warning("%s:%d: model_id is '%s'; taken as '%s', the file's name", path, number, model, path.stem)
                model = path.stem
            yield model, answer


def foreign_answers(path: Path, model: str, knows: Callable[[str], bool]) -> list[Answer]:
    """The lines of an answer file that are not views of our journal, which `knows` its keys.

    Raises:
        UsageError: a malformed line, or the answers of another model.
    """
    foreign = []
    for number, answer in read_lines(path, Answer) if path.exists() else ():
        if answer.model_id != model:
            raise UsageError(
                f"{path}:{number}: field 'model_id': these are the answers of '{answer.model_id}', and this run "
                f"would write those of '{model}' over them; choose another --model-id or --output"
            )
        if answer.key is None or not all(map(knows, answer.key)):
            foreign.append(answer)
    return foreign


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.jsonl"))
