"""What a run has finished: the journal, and the last record of each slot."""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from mtbench_ko.records import (
    AttemptRecord,
    BatchRecord,
    FailureRecord,
    JournalLine,
    Judged,
    Record,
    Slot,
    TurnRecord,
    judge_of,
    pair_order,
)
from mtbench_ko.store.files import write_jsonl
from mtbench_ko.store.journal import Journal, Span, read_journal
from mtbench_ko.store.judgment_views import PresentAnswers, judgment_lines, pair_lines
from mtbench_ko.store.tally import Tally
from mtbench_ko.store.views import View, answer_lines, answer_path, failures_path, judgment_path

log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    """What is kept in memory of a record; the rest stays in the journal."""

    span: Span
    kind: str


class RunStore:
    """The run directory `output`, open for writing by this process alone.

    Memory holds where records stand, not their texts: about 1 kB for each. `tally` counts what they have cost.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.tally = Tally()
        self._journal = Journal(output / "_state")
        self._entries: dict[Slot, _Entry] = {}
        self._keys: set[str] = set()
        self._scored: dict[tuple[str, str], Span] = {}
        self._files: set[tuple[str, str, str]] = set()  # kind of record, bench, model or judge
        self._batch_lines: set[str] = set()  # that judgments were made of
        for span, record in read_journal(self._journal.path):
            self._index(span, record)

    def append(self, record: JournalLine) -> None:
        """Save `record`; it replaces what stood in its slot. Attempts have none and add up."""
        self._index(self._journal.append(record), record)

    def get(self, slot: Slot) -> Record | None:
        entry = self._entries.get(slot)
        return None if entry is None else cast(Record, self._journal.read(entry.span))

    def scored(self, kind: str, key: str) -> Judged | None:
        """A "judgment" or "game" with a verdict that was made with `key`, in whatever slot."""
        span = self._scored.get((kind, key))
        return None if span is None else cast(Judged, self._journal.read(span))

    def knows(self, key: str) -> bool:
        """Whether any record, replaced ones too, was made with `key`: a line with it in a file is our own."""
        return key in self._keys

    def turns(self, bench: str | None = None, model: str | None = None) -> Iterator[TurnRecord]:
        """The turns that stand, of all models or of one; in the order of their slots."""
        for slot in self._slots("turn"):
            if (bench is None or slot[1] == bench) and (model is None or slot[2] == model):
                yield cast(TurnRecord, self.get(slot))

    def judged(self, kind: str, bench: str, judge: str) -> Iterator[Judged]:
        """The "judgment" or "game" records of a judge, in the order of their slots."""
        for slot in self._slots(kind):
            if slot[1] == bench and judge_of(slot) == judge:
                yield cast(Judged, self.get(slot))

    def failures(self) -> Iterator[FailureRecord]:
        for slot in self._slots("failure"):
            yield cast(FailureRecord, self.get(slot))

    def batches(self, judge: str) -> list[BatchRecord]:
        """The batches of the judge, in the order in which they were begun."""
        records = (cast(BatchRecord, self.get(slot)) for slot, entry in self._entries.items() if entry.kind == "batch")
        return [record for record in records if record.judge == judge]

    def unread(self, batch: BatchRecord) -> list[str]:
        """The lines of a batch whose replies no judgment was made of, by their custom ids."""
        return [custom_id for custom_id in batch.custom_ids if batch.line(custom_id) not in self._batch_lines]

    def sync(self) -> None:
        """Bring everything so far to the disk."""
        self._journal.sync()

    def write_views(self, replace: Collection[Path] = (), model: str | None = None, judgments: bool = True) -> None:
        """Rebuild FastChat's files from the journal: the answers of all models or of one, and `judgments`.

        A file with lines that are not ours is left as it is, unless it is one of `replace`.
        """
        views = [
            View(answer_path(self.output, bench, name), answer_lines(self.turns(bench, name)))
            for kind, bench, name in sorted(self._files)
            if kind == "turn" and model in (None, name)
        ]
        present = PresentAnswers(self.turns() if judgments else ())
        for kind, bench, judge in sorted(self._files):
            if judgments and kind != "turn":
                lines = judgment_lines if kind == "judgment" else pair_lines
                rows = cast(Any, self.judged(kind, bench, judge))
                views.append(View(judgment_path(self.output, bench, judge, kind), lines(rows, present)))
        for view in views:
            if view.path in replace or not view.is_foreign(self.knows):
                write_jsonl(view.path, view.lines)
            else:
                log.warning("%s has lines of another program and was left as it is", view.path)
        failed = [failure.model_dump(mode="json", exclude={"kind"}) for failure in self.failures()]
        if failed or failures_path(self.output).exists():
            write_jsonl(failures_path(self.output), failed)

    @property
    def files(self) -> list[tuple[str, str, str]]:
        """Which kinds of record there are of which bench, by which model or judge."""
        return sorted(self._files)

    def close(self) -> None:
        self._journal.close()

    def _slots(self, kind: str) -> list[Slot]:
        """The slots whose record is of `kind`, in order; those of a pair's two games beside each other."""
        slots = (slot for slot, entry in self._entries.items() if entry.kind == kind)
        return sorted(slots, key=pair_order if kind == "game" else None)

    def _index(self, span: Span, record: JournalLine) -> None:
        if not isinstance(record, AttemptRecord):
            self._entries[record.slot] = _Entry(span, record.kind)
        if isinstance(record, BatchRecord):
            return
        self._keys.add(record.key)
        self.tally.add(record)
        if isinstance(record, AttemptRecord | Judged) and record.batch:
            self._batch_lines.add(record.batch)
        if isinstance(record, TurnRecord):
            self._files.add((record.kind, record.bench, record.model_id))
        elif isinstance(record, Judged):
            self._files.add((record.kind, record.bench, record.judge[0]))
            if record.outcome == "scored":
                self._scored[record.kind, record.key] = span
