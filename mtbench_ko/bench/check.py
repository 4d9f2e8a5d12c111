"""Everything that can be wrong with a question set, found at once: for our own sets as for anybody's."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from mtbench_ko.bench.jsonl import parse, read_texts
from mtbench_ko.bench.notes import QuestionNote, fits
from mtbench_ko.bench.place import Place
from mtbench_ko.bench.references import GUIDED_CATEGORIES, load_references
from mtbench_ko.bench.similar import similar
from mtbench_ko.errors import UsageError
from mtbench_ko.lines import Answer, Question

Line = TypeVar("Line", bound=BaseModel)
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")


@dataclass(frozen=True)
class Finding:
    """One fault. An "error" stops a run or falsifies a score, a "warning" deserves a look."""

    level: Literal["error", "warning"]
    where: str
    what: str

    @classmethod
    def of(cls, error: UsageError) -> "Finding":
        """The error that a message which begins with its place tells."""
        where, _, what = str(error).partition(": ")
        return cls("error", where, what)

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.what}"


def check_set(place: Place) -> list[Finding]:
    """The faults of the question set at `place`."""
    file = place.folder / "question.jsonl"
    found: list[Finding] = []
    numbered = _read(file, Question, found)
    questions = {question.question_id: question for _, question in numbered}
    found += _doubled(file, numbered)
    for line, question in numbered:
        where = f"{file}:{line}"
        found += _texts(where, question.model_dump())
        found += [
            Finding("error", where, f"turn {turn} is empty")
            for turn, text in enumerate(question.turns, start=1)
            if not text.strip()
        ]
    found += [
        Finding("warning", str(file), f"questions {one} and {other} are alike ({score:.0f} of 100)")
        for one, other, score in similar({number: question.turns for number, question in questions.items()})
    ]
    found += _references(place, questions)
    found += [
        Finding("warning", f"{place.notes}:{line}", f"question {note.question_id}: written for another text")
        for line, note in (_read(place.notes, QuestionNote, found) if place.notes else [])
        if not fits(note, questions)
    ]
    return found


def check_against(place: Place, other: Place) -> list[Finding]:
    """Questions of the set at `place` that are nearly those of another set."""
    turns = [
        {question.question_id: question.turns for _, question in _read(each.folder / "question.jsonl", Question, [])}
        for each in (place, other)
    ]
    return [
        Finding(
            "warning",
            str(place.folder / "question.jsonl"),
            f"question {one} is like question {two} of {other.name} ({score:.0f} of 100)",
        )
        for one, two, score in similar(*turns)
    ]


def check_texts(file: Path) -> list[Finding]:
    """The faults in the texts of any file of JSON Lines."""
    found: list[Finding] = []
    for line, record in _read(file, _Anything, found):
        found += _texts(f"{file}:{line}", record.model_dump())
    return found


class _Anything(BaseModel, extra="allow"):
    pass


def _read(path: Path, shape: type[Line], found: list[Finding]) -> list[tuple[int, Line]]:
    """The good lines; what is wrong with the others is added to `found`."""
    records = []
    try:
        for number, text in read_texts(path):
            try:
                records.append((number, parse(text, shape, f"{path}:{number}")))
            except UsageError as error:
                found.append(Finding.of(error))
    except UsageError as error:
        found.append(Finding.of(error))
    return records


def _doubled(file: Path, numbered: Sequence[tuple[int, Question]]) -> Iterator[Finding]:
    ids, texts = defaultdict(list), defaultdict(list)
    for line, question in numbered:
        ids[question.question_id].append(line)
        texts[tuple(question.turns)].append(line)
    for number, lines in ids.items():
        if len(lines) > 1:
            yield Finding("error", f"{file}:{lines[1]}", f"question {number} stands already in line {lines[0]}")
    for lines in texts.values():
        if len(lines) > 1:
            yield Finding("error", f"{file}:{lines[1]}", f"the same turns stand already in line {lines[0]}")


def _texts(where: str, value: Any, field: str = "") -> Iterator[Finding]:
    """What is wrong with the strings in `value`."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(where, item, f"{field}.{name}" if field else str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(where, item, f"{field}.{index}")
    elif isinstance(value, str):
        if not unicodedata.is_normalized("NFC", value):
            yield Finding("warning", where, f"field '{field}' is not in Unicode's form NFC")
        unwanted = _UNWANTED.search(value)
        if unwanted:
            yield Finding("warning", where, f"field '{field}' holds the character U+{ord(unwanted[0]):04X}")


def _references(place: Place, questions: Mapping[int, Question]) -> Iterator[Finding]:
    files = sorted((place.folder / "reference_answer").glob("*.jsonl"))
    needed = [question for question in questions.values() if question.category in GUIDED_CATEGORIES]
    if not files and needed:
        what = f"{len(needed)} questions of {', '.join(sorted(GUIDED_CATEGORIES))} need one"
        yield Finding("error", str(place.folder / "reference_answer"), f"no reference file, and {what}")
    for file in files:
        found: list[Finding] = []
        answers = _read(file, Answer, found)
        yield from found
        for line, answer in answers:
            yield from _texts(f"{file}:{line}", answer.model_dump())
        turns = {answer.question_id: answer.choices[0].turns for _, answer in answers}
        for question in needed:
            has = len(turns.get(question.question_id, []))
            if has < len(question.turns):
                what = f"question {question.question_id} has {has} of the {len(question.turns)} references it needs"
                yield Finding("error", str(file), what)
        extra = sorted(turns.keys() - questions.keys())
        if extra:
            yield Finding("warning", str(file), f"references to questions that there are not: {extra}")
    if place.errata and len(files) == 1:
        try:
            load_references(place, questions, [], "corrected", None)
        except UsageError as error:
            yield Finding.of(error)
