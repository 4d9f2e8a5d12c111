"""A question set with its references, loaded from a folder in FastChat's layout and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mtbench_ko.bench.cache import DataCache
from mtbench_ko.bench.jsonl import read_lines
from mtbench_ko.bench.place import locate
from mtbench_ko.bench.references import Source, load_references
from mtbench_ko.config import RunConfig
from mtbench_ko.errors import UsageError
from mtbench_ko.hashing import sha256_text
from mtbench_ko.lines import Question


@dataclass(frozen=True)
class Bench:
    """A question set.

    Attributes:
        name: the name in paths and records.
        questions: by question id, in file order.
        references: question id -> one text per turn; only questions whose judge prompt shows them.
        reference_source: the source that `--references` chose, "none" when no reference is shown at all.
        notes: what a user should know about the references.
        hashes: file name -> sha256 of the text read.
    """

    name: str
    questions: Mapping[int, Question]
    references: Mapping[int, list[str]] = field(default_factory=dict)
    reference_source: Source = "none"
    notes: Sequence[str] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)


def bench_of(config: RunConfig, *, judged: bool) -> Bench:
    """The bench that the settings name. Without judging no reference is needed."""
    return load_bench(
        config.bench_name,
        references=config.references if judged else "none",
        reference_model=config.reference_model,
        question_begin=config.question_begin,
        question_end=config.question_end,
        first_n=config.first_n,
        cache=DataCache.of(config),
    )


def load_bench(
    bench_name: str,
    *,
    references: Source | None = None,
    reference_model: str | None = None,
    question_begin: int | None = None,
    question_end: int | None = None,
    first_n: int | None = None,
    cache: DataCache | None = None,
    fetch: bool = True,
) -> Bench:
    """Load the bench called `bench_name` (a registered name, or a folder when it holds a `/`).

    A registered set of others is fetched into the `cache` (by default the user's) if it is not there; without `fetch`
    it is read as it lies there.

    `question_begin` and `question_end` are positions in the file, as in FastChat: the slice [begin:end].

    Raises:
        UsageError: no such bench, a malformed line, a doubled id, or a reference that is owed and missing.
        MtBenchError: the set could not be fetched.
    """
    place = locate(bench_name, cache, fetch=fetch)
    file = place.folder / "question.jsonl"
    if not file.is_file():
        fetched = "" if "/" in bench_name else f", or has not been fetched yet: mtbench-ko data fetch {bench_name}"
        raise UsageError(f"{place.folder} is not a question set: it has no question.jsonl{fetched}")
    every = _unique(file)
    chosen = list(every.values())[question_begin:question_end][:first_n]
    if not chosen:
        raise UsageError(f"{file}: --question-begin/--question-end/--first-n leave none of its {len(every)} questions")
    chosen_ids = {question.question_id for question in chosen}
    shown = load_references(place, every, chosen_ids, references, reference_model)
    return Bench(
        name=place.name,
        questions={question.question_id: question for question in chosen},
        references={number: texts for number, texts in shown.texts.items() if number in chosen_ids},
        reference_source=shown.source,
        notes=shown.notes,
        hashes={file.name: sha256_text(file.read_text(encoding="utf-8")), **shown.hashes},
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
