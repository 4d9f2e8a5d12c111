"""A question set with its references, loaded from a folder in FastChat's layout and checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtbench_ko.bench.jsonl import read_lines
from mtbench_ko.bench.registry import locate
from mtbench_ko.errors import UsageError
from mtbench_ko.hashing import sha256_text
from mtbench_ko.records import Answer, Question

GUIDED_CATEGORIES = frozenset({"math", "reasoning", "coding"})
"""FastChat's NEED_REF_CATS: the categories whose judge prompt shows a reference (its "arena" is never used)."""


@dataclass(frozen=True)
class Bench:
    """A question set.

    Attributes:
        name: the name in paths and records.
        questions: by question id, in file order.
        references: question id -> one text per turn; only questions whose judge prompt shows them.
        reference_source: what `--references` chose, "none" when no reference is shown at all.
        hashes: file name -> sha256 of the text read.
    """

    name: str
    questions: Mapping[int, Question]
    references: Mapping[int, list[str]] = field(default_factory=dict)
    reference_source: str = "none"
    hashes: Mapping[str, str] = field(default_factory=dict)


def load_bench(
    bench_name: str,
    *,
    references: str = "upstream",
    reference_model: str | None = None,
    question_begin: int | None = None,
    question_end: int | None = None,
    first_n: int | None = None,
) -> Bench:
    """Load the bench called `bench_name` (a registered name, or a folder when it holds a `/`).

    `question_begin` and `question_end` are positions in the file, as in FastChat: the slice [begin:end].

    Raises:
        UsageError: no such bench, a malformed line, a doubled id, or a reference that is owed and missing.
    """
    place = locate(bench_name)
    file = place.folder / "question.jsonl"
    if not file.is_file():
        raise UsageError(f"{place.folder} is not a question set: it has no question.jsonl")
    every = _unique(file)
    chosen = list(every.values())[question_begin:question_end][:first_n]
    if not chosen:
        raise UsageError(f"{file}: --question-begin/--question-end/--first-n leave none of its {len(every)} questions")
    hashes = {file.name: sha256_text(file.read_text(encoding="utf-8"))}
    shown: dict[int, list[str]] = {}
    if references == "upstream":
        answers = _reference_file(place.folder, reference_model)
        hashes[f"reference_answer/{answers.name}"] = sha256_text(answers.read_text(encoding="utf-8"))
        shown = {line.question_id: line.choices[0].turns for _, line in read_lines(answers, Answer)}
        shown = _owed(shown, chosen, place.guide_all, file)
    return Bench(
        name=place.name,
        questions={q.question_id: q for q in chosen},
        references=shown,
        reference_source=references,
        hashes=hashes,
    )


def _unique(file: Path) -> dict[int, Question]:
    questions: dict[int, Question] = {}
    lines: dict[int, int] = {}
    for number, question in read_lines(file, Question):
        if question.question_id in questions:
            raise UsageError(
                f"{file}:{number}: field 'question_id': {question.question_id} stands already in line "
                f"{lines[question.question_id]}"
            )
        questions[question.question_id] = question
        lines[question.question_id] = number
    return questions


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
    references: Mapping[int, list[str]], questions: Iterable[Question], guide_all: bool, file: Path
) -> dict[int, list[str]]:
    """The references that judge prompts will show; extra ones are ignored."""
    owed: dict[int, list[str]] = {}
    for question in questions:
        guided = question.category in GUIDED_CATEGORIES
        turns = references.get(question.question_id)
        if turns is None and not guided:
            continue
        if guided or guide_all:
            if turns is None or len(turns) < len(question.turns):
                raise UsageError(
                    f"{file}: question {question.question_id} ({question.category}) is judged against a reference, "
                    f"and {len(turns or [])} of {len(question.turns)} turns have one; --references none judges without"
                )
            owed[question.question_id] = turns
    return owed
