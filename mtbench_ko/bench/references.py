"""Which reference answers the judge is shown, by source: corrected, upstream, question or none."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mtbench_ko.bench.jsonl import read_lines
from mtbench_ko.bench.place import Place
from mtbench_ko.errors import UsageError
from mtbench_ko.hashing import sha256_text
from mtbench_ko.lines import Answer, Question

Source = Literal["corrected", "upstream", "question", "none"]
GUIDED_CATEGORIES = frozenset({"math", "reasoning", "coding"})
"""FastChat's NEED_REF_CATS: the categories whose judge prompt shows a reference (its "arena" is never used)."""


@dataclass(frozen=True)
class ReferenceSet:
    """What judge prompts show of one source.

    Attributes:
        texts: question id -> one text per turn.
        notes: what a user should know about the choice, one sentence each.
        hashes: file name -> sha256 of the text read.
    """

    source: Source
    texts: Mapping[int, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hashes: Mapping[str, str] = field(default_factory=dict)


class _Hashes(BaseModel):
    question_sha256: str
    reference_sha256: str


class _Erratum(BaseModel):
    """One line of an errata file: `reference` stands in for the text that has the hash `upstream.reference_sha256`."""

    model_config = ConfigDict(extra="allow")

    question_id: int
    turn: int = Field(ge=1, le=2)
    reference: str = Field(min_length=1)
    upstream: _Hashes


def load_references(
    place: Place,
    questions: Mapping[int, Question],
    chosen: Collection[int],
    source: Source | None,
    reference_model: str | None,
) -> ReferenceSet:
    """The references of `source` for the `chosen` ones of the set at `place`, which has these `questions`.

    None chooses `corrected` where errata lie beside the set or in this project's data and were written for exactly
    these texts, otherwise `upstream`.

    Raises:
        UsageError: a reference that is owed is missing, or errata do not fit.
    """
    if source == "none":
        return ReferenceSet("none")
    if source == "question":
        return _of_questions(place, questions)
    path = _reference_file(place.folder, reference_model)
    texts = {line.question_id: list(line.choices[0].turns) for _, line in read_lines(path, Answer)}
    hashes = {f"reference_answer/{path.name}": sha256_text(path.read_text(encoding="utf-8"))}
    notes = []
    if source == "corrected" and place.errata is None:
        raise UsageError(f"--references corrected: there are no errata for {place.name}; --references upstream")
    if source != "upstream" and place.errata is not None:
        corrected, misfit = _overlay(place.errata, questions, texts)
        if misfit is None:
            texts, source = corrected, "corrected"
            hashes[f"errata/{place.errata.name}"] = sha256_text(place.errata.read_text(encoding="utf-8"))
        elif source == "corrected":
            raise UsageError(f"{misfit}. --references upstream judges with the set's references as they are")
        else:
            notes.append(f"references are upstream's, since the errata do not fit: {misfit}")
    shown = _owed(texts, questions, chosen, place)
    if len(shown) < len(texts):
        notes.append(f"{len(texts) - len(shown)} references belong to no question that is judged with one: ignored")
    return ReferenceSet(source or "upstream", shown, notes, hashes)


def _of_questions(place: Place, questions: Mapping[int, Question]) -> ReferenceSet:
    """The questions' own `reference` field; a question whose field lacks a turn is judged without."""
    texts, lacking = {}, 0
    for number, question in questions.items():
        if not _guided(question, place):
            continue
        own = [question.reference] if isinstance(question.reference, str) else question.reference or []
        if len(own) < len(question.turns) or not all(own):
            lacking += 1
        else:
            texts[number] = own
    notes = [f"{lacking} questions have no reference of their own and are judged without"] if lacking else []
    return ReferenceSet("question", texts, notes)


def _overlay(
    errata: Path, questions: Mapping[int, Question], texts: Mapping[int, list[str]]
) -> tuple[dict[int, list[str]], str | None]:
    """`texts` with the corrections of `errata`, and where they do not fit these texts, if anywhere."""
    corrected = {number: list(turns) for number, turns in texts.items()}
    seen = set()
    for line, erratum in read_lines(errata, _Erratum):
        number, turn = erratum.question_id, erratum.turn
        where = f"{errata}:{line}: question {number}, turn {turn}"
        if (number, turn) in seen:
            raise UsageError(f"{where}: stands in an earlier line already")
        seen.add((number, turn))
        question = questions.get(number)
        if question is None or number not in texts or turn > min(len(question.turns), len(texts[number])):
            return corrected, f"{where}: the set has no such reference"
        if sha256_text(question.turns[turn - 1]) != erratum.upstream.question_sha256:
            return corrected, f"{where}: the question is not the one that was audited"
        if sha256_text(texts[number][turn - 1]) != erratum.upstream.reference_sha256:
            return corrected, f"{where}: the reference is not the one that was audited"
        corrected[number][turn - 1] = erratum.reference
    return corrected, None if seen else f"{errata}: there are none in it"


def _reference_file(folder: Path, model: str | None) -> Path:
    files = sorted((folder / "reference_answer").glob("*.jsonl"))
    if model is not None:
        files = [file for file in files if file.stem == model]
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(file.stem for file in files)
        raise UsageError(f"{folder}/reference_answer holds several files; choose with --reference-model: {names}")
    wanted = f" {model}.jsonl" if model else ""
    raise UsageError(f"{folder}/reference_answer: no reference file{wanted}; --references none judges without")


def _owed(
    texts: Mapping[int, list[str]], questions: Mapping[int, Question], chosen: Collection[int], place: Place
) -> dict[int, list[str]]:
    """The references that judge prompts show; those of `chosen` questions must be there."""
    owed: dict[int, list[str]] = {}
    for number, question in questions.items():
        turns = texts.get(number)
        if not _guided(question, place) or (turns is None and question.category not in GUIDED_CATEGORIES):
            continue
        if number in chosen and (turns is None or len(turns) < len(question.turns)):
            raise UsageError(
                f"{place.folder / 'question.jsonl'}: question {number} ({question.category}) is judged against a "
                f"reference, and {len(turns or [])} of {len(question.turns)} turns have one; "
                f"--references none judges without"
            )
        if turns is not None:
            owed[number] = turns
    return owed


def _guided(question: Question, place: Place) -> bool:
    return place.guide_all or question.category in GUIDED_CATEGORIES
