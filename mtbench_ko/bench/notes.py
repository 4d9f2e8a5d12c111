"""What is wrong with questions themselves: ambiguous, mistranslated, with a premise that cannot hold."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mtbench_ko.bench.cache import DataCache
from mtbench_ko.bench.jsonl import read_lines
from mtbench_ko.bench.place import Place, locate
from mtbench_ko.hashing import sha256_text
from mtbench_ko.lines import Question

Severity = Literal["high", "medium", "low"]


class QuestionNote(BaseModel):
    """One line of question_notes.jsonl.

    Attributes:
        severity: "high" where a translation changed what is asked or made right answers differ, "medium" where a
            constraint is unclear or weaker than it should be, "low" where only the language is poor.
        reason: what is wrong, in one or two sentences.
        origin: "original" where the English question has the same fault, "localized" where it was changed on purpose
            and cannot be compared with the English one.
        question_sha256: of the text of each turn that was judged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    question_id: int
    severity: Severity
    reason: str = Field(min_length=1)
    origin: Literal["original", "localized"] | None = None
    question_sha256: list[str] = Field(min_length=1)


def question_notes(bench_name: str, cache: DataCache | None = None) -> dict[int, QuestionNote]:
    """Question id -> what is wrong with it, for the bench that `bench_name` means; nothing is fetched.

    Where the questions are on this machine, a note about another text of a question is left out.

    Raises:
        UsageError: no such bench, or a malformed line.
    """
    place = locate(bench_name, cache, fetch=False)
    notes = load_notes(place)
    file = place.folder / "question.jsonl"
    if not notes or not file.is_file():
        return notes
    questions = {question.question_id: question for _, question in read_lines(file, Question)}
    return {number: note for number, note in notes.items() if fits(note, questions)}


def flawed_questions(bench_name: str, cache: DataCache | None = None) -> dict[int, QuestionNote]:
    """The questions that `show --exclude-flawed` leaves out: those with a note of high severity."""
    return {number: note for number, note in question_notes(bench_name, cache).items() if note.severity == "high"}


def load_notes(place: Place) -> dict[int, QuestionNote]:
    """The notes beside the set at `place`, or this project's; empty if there are none."""
    if place.notes is None:
        return {}
    return {note.question_id: note for _, note in read_lines(place.notes, QuestionNote)}


def fits(note: QuestionNote, questions: Mapping[int, Question]) -> bool:
    """Whether the note speaks of the text that the question has here."""
    question = questions.get(note.question_id)
    return question is not None and [sha256_text(turn) for turn in question.turns] == note.question_sha256
