"""From the files of one or more outputs to what the report shows."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mtbench_ko.bench import (
    Bench,
    DataCache,
    Exemptions,
    QuestionNote,
    load_bench,
    load_exemptions,
    question_notes,
    read_lines,
)
from mtbench_ko.errors import UsageError
from mtbench_ko.lines import Answer, JudgmentText, PairLine, PairText, well_formed_json
from mtbench_ko.records import FailureRecord, judge_of, kind_of
from mtbench_ko.report.evidence import Evidence
from mtbench_ko.report.judgments import BaselineNotJudged, NothingJudged, Scoreboard, read_scoreboard
from mtbench_ko.report.language import check_answers
from mtbench_ko.report.page import Report
from mtbench_ko.report.rows import made_with, models_of
from mtbench_ko.store import failures_path, judgment_files, read_answers

log = logging.getLogger(__name__)
Text = TypeVar("Text", JudgmentText, PairText)


@dataclass(frozen=True)
class QuestionSet:
    """What is known of the questions.

    Attributes:
        with_references: the set with the references of a source.
        exemptions: from language checks.
        flaws: question id -> what is wrong with the question itself.
    """

    bench: Bench
    with_references: Callable[[Any], Bench]
    exemptions: Exemptions = field(default_factory=dict)
    flaws: Mapping[int, QuestionNote] = field(default_factory=dict)


def open_questions(
    bench_name: str, cache: DataCache, *, bench: Bench | None = None, reference_model: str | None = None
) -> QuestionSet:
    """All that is known of the set called `bench_name`; `bench` where it is loaded already, with its references.

    Raises:
        UsageError, MtBenchError: as `load_bench`.
    """
    loaded = bench
    if loaded is None:
        find = partial(load_bench, bench_name, reference_model=reference_model, cache=cache)
        bench, with_references = find(references="none"), lambda source: find(references=source)
    else:
        bench, with_references = loaded, lambda _: loaded
    return QuestionSet(
        bench, with_references, load_exemptions(bench_name, bench, cache), question_notes(bench_name, cache)
    )


def gather(
    outputs: Mapping[str, Path],
    questions: QuestionSet,
    *,
    judges: Sequence[str] = (),
    models: Sequence[str] = (),
    baseline: str | None = None,
    prompt_set: str | None = None,
    references: str | None = None,
) -> Report:
    """Read what `outputs` (by the names that users know them by) hold on `questions`.

    Single grades and pairs are shown where there are any; each of one prompt set and source of references: what
    `prompt_set` and `references` leave open is settled by the newest judgment. Several `judges` (without them: all
    that there are) are a panel of single grades, and compare pairs each on a board of its own. With a `baseline` whose
    pairs are there its single grades may be missing.

    Raises:
        UsageError: nothing to show, a malformed file, or the same in two outputs.
    """
    bench, folders = questions.bench, list(outputs.values())
    wanted = {*models, *([baseline] if baseline else [])} if models else None
    answers = list(_answers(folders, bench.name, wanted))
    choices = [(model, answer.question_id, one.index, one.turns) for model, answer in answers for one in answer.choices]
    language = check_answers(choices, bench, questions.exemptions)
    failures = _failures(folders, bench.name)
    mode = "pairwise-baseline" if baseline else "pairwise-all"
    files = {
        kind: [path for folder in folders for path in judgment_files(folder, bench.name, kind, judges)]
        for kind in ("judgment", "game")
    }
    find = partial(
        _judged, folders, bench, files, failures,
        models=models, prompt_set=prompt_set, references=references, answers=language,
    )  # fmt: skip
    compared = [
        find(mode, PairText, judges=[judge], baseline=baseline)
        for judge in judges or _judges_of_pairs(files["game"], failures)
    ]
    pairs = [board for board, _ in compared if board is not None]
    try:
        single, judgments = find("single", JudgmentText, judges=judges, baseline=baseline)
    except BaselineNotJudged:
        if not pairs:
            raise
        single, judgments = find("single", JudgmentText, judges=judges, baseline=None)
    boards = [*([single] if single else []), *pairs]
    if not answers and not boards:
        raise UsageError(f"{', '.join(outputs)}: no answers to {bench.name} and no judgments of them")
    return Report(
        Evidence(
            bench=_with_references(questions, boards),
            answers=answers,
            judgments=judgments,
            pairs=[game for _, games in compared for game in games],
            failures=[failure for failure in failures if _belongs(failure, boards, wanted)],
            flaws={number: note for number, note in questions.flaws.items() if number in bench.questions},
            language=language,
        ),
        single,
        pairs,
        {name: manifest for name, folder in outputs.items() if (manifest := _manifest(folder, bench.name))},
    )


def _judged(
    folders: Sequence[Path],
    bench: Bench,
    files: Mapping[str, Sequence[Path]],
    failures: Sequence[FailureRecord],
    mode: str,
    shape: type[Text],
    *,
    judges: Sequence[str],
    **chosen: Any,
) -> tuple[Scoreboard | None, list[Text]]:
    """The scoreboard of a mode and the judgments that it was made of; None where there are none."""
    kind = kind_of(mode)
    paths = files[kind]
    failed = {judge_of(failure.slot) for failure in failures if failure.failed_slot[0] == kind}
    if not any(path.exists() for path in paths) and not (failed.intersection(judges) if judges else failed):
        return None, []
    try:
        board: Scoreboard = read_scoreboard(
            paths,
            mode=mode,
            bench=bench.name,
            judges=judges,
            failures=[failures_path(folder) for folder in folders],
            categories={number: question.category for number, question in bench.questions.items()},
            **chosen,
        )
    except NothingJudged:
        return None, []
    texts = [text for path in paths if path.exists() for _, text in read_lines(path, shape)]
    names = {*board.models, *([board.baseline] if board.baseline else [])}
    return board, [text for text in texts if _made(board, *made_with(text)) and models_of(text) <= names]


def _judges_of_pairs(paths: Sequence[Path], failures: Sequence[FailureRecord]) -> list[str]:
    """Those that compared pairs, or failed to."""
    judges = {line.judge[0] for path in paths if path.exists() for _, line in read_lines(path, PairLine)}
    return sorted(judges | {judge_of(failure.slot) for failure in failures if failure.failed_slot[0] == "game"})


def _made(board: Scoreboard, judge: str, prompt_set: str | None, references: str | None) -> bool:
    """Whether a judgment that was made with these is one of those on the board."""
    judges = board.judges or [board.judge]
    return judge in judges and (prompt_set, references) == (board.prompt_set, board.references)


def _answers(folders: Sequence[Path], bench: str, wanted: set[str] | None) -> Iterator[tuple[str, Answer]]:
    """Every answer of the `wanted` models, or of all.

    Raises:
        UsageError: a model has answers in two outputs.
    """
    known: dict[str, Path] = {}
    for folder in folders:
        for model, answer in read_answers(folder, bench, None):
            if wanted is not None and model not in wanted:
                continue
            if known.setdefault(model, folder) != folder:
                raise UsageError(f"answers of {model} to {bench} stand in two of the outputs; report them apart")
            yield model, answer


def _failures(folders: Sequence[Path], bench: str) -> list[FailureRecord]:
    paths = [path for folder in folders if (path := failures_path(folder)).exists()]
    return [failure for path in paths for _, failure in read_lines(path, FailureRecord) if failure.bench == bench]


def _belongs(failure: FailureRecord, boards: Sequence[Scoreboard], wanted: set[str] | None) -> bool:
    """Whether it is about `wanted` models, and about an answer or a judgment of the kind that the boards show."""
    slot = failure.failed_slot
    if wanted is not None and not wanted.issuperset(slot[2:4] if slot[0] == "game" else slot[2:3]):
        return False
    boards_of = {"judgment": "single", "game": "pairwise"}
    return slot[0] == "turn" or any(
        board.mode.startswith(boards_of[slot[0]]) and _made(board, *slot[-4:-1]) for board in boards
    )


def _with_references(questions: QuestionSet, boards: Sequence[Scoreboard]) -> Bench:
    """The questions with the references that the judge was shown, of FastChat's judgments upstream's."""
    try:
        return questions.with_references(boards[0].references or "upstream" if boards else "none")
    except UsageError as error:
        log.warning("the report shows no references: %s", error)
        return questions.bench


def _manifest(folder: Path, bench: str) -> dict[str, Any]:
    path = folder / bench / "manifest.json"
    if not path.exists():
        return {}
    try:
        manifest: dict[str, Any] = well_formed_json(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    return manifest
