"""What a run has finished: the journal, and the last record of each slot."""

import logging
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from mtbench_ko.records import (
    AttemptRecord,
    FailureRecord,
    GameRecord,
    JournalLine,
    Judged,
    JudgmentRecord,
    Record,
    Slot,
    TurnRecord,
)
from mtbench_ko.store.files import write_jsonl
from mtbench_ko.store.journal import Journal, read_journal
from mtbench_ko.store.judgment_views import judgment_lines, pair_lines
from mtbench_ko.store.views import View, answer_lines, answer_path, failures_path, judgment_path

log = logging.getLogger(__name__)


class RunStore:
    """The run directory `output`, open for writing by this process alone."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self._journal = Journal(output / "_state")
        self._records: dict[Slot, Record] = {}
        self._keys: set[str] = set()
        self._scored: dict[tuple[str, str], Judged] = {}
        self._answer_files: set[tuple[str, str]] = set()
        self._judgment_files: set[tuple[str, str, str]] = set()
        for record in read_journal(self._journal.path):
            self._index(record)

    def append(self, record: JournalLine) -> None:
        """Save `record`; it replaces what stood in its slot. Attempts have none and add up."""
        self._journal.append(record)
        self._index(record)

    def get(self, slot: Slot) -> Record | None:
        return self._records.get(slot)

    def scored(self, kind: str, key: str) -> Judged | None:
        """A "judgment" or "game" with a verdict that was made with `key`, in whatever slot."""
        return self._scored.get((kind, key))

    def knows(self, key: str) -> bool:
        """Whether any record, replaced ones too, was made with `key`: a line with it in a file is our own."""
        return key in self._keys

    def turns(self) -> Iterator[TurnRecord]:
        return (record for record in self._records.values() if isinstance(record, TurnRecord))

    def judged(self) -> Iterator[Judged]:
        return (record for record in self._records.values() if isinstance(record, Judged))

    def failures(self) -> Iterator[FailureRecord]:
        return (record for record in self._records.values() if isinstance(record, FailureRecord))

    def write_views(self, replace: Collection[Path] = ()) -> None:
        """Rebuild FastChat's files from the journal.

        A file with lines that are not ours is left as it is, unless it is one of `replace`.
        """
        turns, judged = list(self.turns()), list(self.judged())
        views = [
            View(
                answer_path(self.output, bench, model),
                partial(answer_lines, [turn for turn in turns if (turn.bench, turn.model_id) == (bench, model)]),
            )
            for bench, model in sorted(self._answer_files)
        ]
        for kind, bench, judge in sorted(self._judgment_files):
            path = judgment_path(self.output, bench, judge, kind)
            mine = [row for row in judged if (row.bench, row.judge[0]) == (bench, judge)]
            if kind == "game":
                games = [row for row in mine if isinstance(row, GameRecord)]
                views.append(View(path, partial(pair_lines, games, turns)))
            else:
                grades = [row for row in mine if isinstance(row, JudgmentRecord)]
                views.append(View(path, partial(judgment_lines, grades, turns)))
        for view in views:
            if view.path in replace or not view.is_foreign(self.knows):
                write_jsonl(view.path, view.lines())
            else:
                log.warning("%s has lines of another program and was left as it is", view.path)
        failed = [failure.model_dump(mode="json", exclude={"kind"}) for failure in self.failures()]
        if failed or failures_path(self.output).exists():
            write_jsonl(failures_path(self.output), failed)

    def close(self) -> None:
        self._journal.close()

    def _index(self, record: JournalLine) -> None:
        self._keys.add(record.key)
        if isinstance(record, AttemptRecord):
            return
        self._records[record.slot] = record
        if isinstance(record, TurnRecord):
            self._answer_files.add((record.bench, record.model_id))
        elif isinstance(record, Judged):
            self._judgment_files.add((record.kind, record.bench, record.judge[0]))
            if record.outcome == "scored":
                self._scored[record.kind, record.key] = record
