"""Tokens that a run directory has spent so far, by who spent them: of answers, judgments, attempts and failures."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from mtbench_ko.records import AttemptRecord, FailureRecord, Judged, TurnRecord, judge_of

Paid = TurnRecord | Judged | AttemptRecord | FailureRecord
Role = Literal["model", "judge"]


class Who(NamedTuple):
    """A model under test or a judge, on one bench; `batch` are calls at the price of a batch API."""

    bench: str
    role: Role
    name: str
    batch: bool = False


class Tally:
    """Sums of `usage`, and "calls": records with any. Taken-over judgments have none, and files of others."""

    def __init__(self) -> None:
        self._spent: dict[Who, Counter[str]] = {}

    def add(self, record: Paid) -> None:
        """Count what a journal line says; replaced records were paid for too."""
        if any(record.usage.values()):
            self._spent.setdefault(_who(record), Counter()).update({"calls": 1, **record.usage})

    def items(self) -> Iterator[tuple[Who, Counter[str]]]:
        yield from self._spent.items()

    def copy(self) -> "Tally":
        """As it stands now."""
        tally = Tally()
        tally._spent = {who: spent.copy() for who, spent in self._spent.items()}
        return tally

    def since(self, before: "Tally") -> "Tally":
        """What was spent since the tally was as `before`."""
        tally = Tally()
        for who, spent in self._spent.items():
            more = spent - before._spent.get(who, Counter())
            if more["calls"]:
                tally._spent[who] = more
        return tally


def _who(record: Paid) -> Who:
    if isinstance(record, TurnRecord):
        return Who(record.bench, "model", record.model_id)
    if isinstance(record, FailureRecord):
        role: Role = "model" if record.stage == "answer" else "judge"
        return Who(record.bench, role, record.model if role == "model" else judge_of(record.slot))
    judge = record.judge if isinstance(record, AttemptRecord) else record.judge[0]
    return Who(record.bench, "judge", judge, batch=record.batch is not None)
