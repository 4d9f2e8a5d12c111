"""What a run has finished: the journal, and the last record of each slot."""

from collections.abc import Iterator
from pathlib import Path

from mtbench_ko.errors import UsageError
from mtbench_ko.records import FailureRecord, JudgmentRecord, Record, Slot, TurnRecord
from mtbench_ko.store.journal import Journal, read_journal
from mtbench_ko.store.views import write_views


class RunStore:
    """The run directory `output`, open for writing by this process alone."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self._journal = Journal(output / "_state")
        self._records: dict[Slot, Record] = {}
        for record in read_journal(self._journal.path):
            self._records[record.slot] = record

    def append(self, record: Record) -> None:
        """Save `record`; it replaces what stood in its slot."""
        self._journal.append(record)
        self._records[record.slot] = record

    def get(self, slot: Slot) -> Record | None:
        return self._records.get(slot)

    def turns(self) -> Iterator[TurnRecord]:
        return (record for record in self._records.values() if isinstance(record, TurnRecord))

    def judgments(self) -> Iterator[JudgmentRecord]:
        return (record for record in self._records.values() if isinstance(record, JudgmentRecord))

    def failures(self) -> Iterator[FailureRecord]:
        return (record for record in self._records.values() if isinstance(record, FailureRecord))

    def write_views(self) -> None:
        """Rebuild FastChat's files from the journal."""
        write_views(self.output, self.turns(), self.judgments(), self.failures())

    def close(self) -> None:
        self._journal.close()


def local_output(output: str) -> Path:
    """The directory that `--output` means.

    Raises:
        UsageError: a URL.
    """
    if "://" in output:
        raise UsageError(f"--output {output}: this version writes to directories only; copy the finished one")
    return Path(output)
