"""The life of one batch: kept in the book, handed over, waited for, fetched."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from mtbench_ko.engine.base import Completion, Failure
from mtbench_ko.engine.batch_api import BatchApi
from mtbench_ko.engine.batch_lines import EXPIRED, Said, read_lines
from mtbench_ko.engine.replies import read_completion
from mtbench_ko.records import BatchRecord

if TYPE_CHECKING:
    from openai.types import Batch

QUEUE_FULL = "queue_full"  # ours, for the API's:
_QUEUE_FULL = "token_limit_exceeded"  # too many tokens wait in the batches of this organization
_OVER = ("completed", "failed", "expired", "cancelled")
_SAY_SECONDS = 60.0
log = logging.getLogger(__name__)


class Book(Protocol):
    """Where batches are kept beyond the driver's life."""

    def batches(self, judge: str) -> list[BatchRecord]:
        """All of the judge, as they were kept last, in the order in which they were begun."""
        ...

    def unread(self, batch: BatchRecord) -> list[str]:
        """The custom ids of lines that no record was made of."""
        ...

    async def keep(self, batch: BatchRecord) -> None:
        """On disk when it returns, in place of what was kept with the same id."""
        ...


class Courier:
    """Carries batches of calls of `model` to the API, and the outcomes of their lines back."""

    def __init__(
        self, model: str, api: BatchApi, book: Book, say: Callable[[str], None], poll: tuple[float, float]
    ) -> None:
        """`say` is told news for people. A batch is looked at after poll[0] seconds, then ever more rarely, at last
        every poll[1]."""
        self._model = model
        self._api, self._book, self._say, self._poll = api, book, say, poll

    async def hand_over(self, lines: Mapping[str, bytes], left_out: Collection[str]) -> BatchRecord:
        """Make a batch of `lines`, by their custom ids. First it is kept that it is asked for, then that it is there.

        Raises:
            Stopped, CompletionFailed: as `BatchApi`.
        """
        file_id = await self._api.upload(b"".join(lines.values()))
        record = BatchRecord(
            id=uuid4().hex,
            judge=self._model,
            custom_ids=list(lines),
            left_out=sorted(left_out),
            input_file_id=file_id,
        )
        await self._book.keep(record)
        made = await self._api.create(file_id, record.id, record.tstamp)
        record = await self._keep(record, batch_id=made.id)
        self._say(f"batch {made.id}: {len(lines)} calls of {self._model} are handed over")
        return record

    async def take_up(self, record: BatchRecord) -> BatchRecord | None:
        """A batch of an earlier run, if the API has it and some reply may be unread."""
        if record.batch_id is None and record.replies is None:  # its driver was killed while it asked for the batch
            made = await self._api.find(record.id, record.tstamp)
            age = time.time() - record.tstamp
            if made is None and age < self._poll[1]:  # it may be on its way yet
                await asyncio.sleep(self._poll[1] - age)
                made = await self._api.find(record.id, record.tstamp)
            record = await (self._keep(record, batch_id=made.id) if made else self._keep(record, replies=0))
        read = len(record.custom_ids) - len(self._book.unread(record))
        return record if record.replies is None or read < record.replies else None

    async def outcomes(self, record: BatchRecord) -> dict[str, Said | Failure]:
        """What came of each line, once the batch is over.

        Raises:
            Stopped, CompletionFailed: as `BatchApi`.
        """
        batch = await self._over(str(record.batch_id))
        found: dict[str, Said | Failure] = {}
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            content = await self._api.download(file_id)
            if content is None:
                log.warning("the API does not have file %s of batch %s any more", file_id, batch.id)
            for custom_id, outcome in read_lines(content or b""):
                found.setdefault(custom_id, outcome)
        rest = _of_no_line(batch)
        if rest.scope == "run":
            found = {custom_id: outcome for custom_id, outcome in found.items() if isinstance(outcome, Said)}
        outcomes = {custom_id: found.get(custom_id, rest) for custom_id in record.custom_ids}
        paid = sum(map(self._is_paid, outcomes.values()))
        self._say(f"batch {batch.id}: {batch.status}, {paid} of {len(outcomes)} calls have a reply")
        await self._keep(record, replies=paid)
        return outcomes

    async def _over(self, batch_id: str) -> "Batch":
        pause, longest = self._poll
        clock = asyncio.get_running_loop().time
        told, when = None, clock()
        while (batch := await self._api.retrieve(batch_id)).status not in _OVER:
            counts = batch.request_counts
            words = f"{batch.status}, {counts.completed} of {counts.total} done" if counts else batch.status
            if words != told and clock() - when >= _SAY_SECONDS:
                self._say(f"batch {batch_id}: {words}")
                told, when = words, clock()
            await asyncio.sleep(pause)
            pause = min(longest, 1.5 * pause)
        return batch

    async def _keep(self, record: BatchRecord, **news: Any) -> BatchRecord:
        changed = record.model_copy(update=news)
        if changed != record:
            await self._book.keep(changed)
        return changed

    def _is_paid(self, outcome: Said | Failure) -> bool:
        """Whether there is a completion."""
        return (
            isinstance(outcome, Said)
            and outcome.status == 200
            and isinstance(read_completion(outcome.body, self._model, {}), Completion)
        )


def _of_no_line(batch: "Batch") -> Failure:
    """What a line without an outcome has come to in a batch that is over."""
    if batch.status == "expired":
        return Failure(EXPIRED, f"batch {batch.id} expired before this line was done")
    if batch.status == "cancelled":
        told = f"batch {batch.id} was cancelled; what it had done is saved, the same command asks the rest anew"
        return Failure("batch_cancelled", told, scope="run")
    if batch.status == "completed":
        return Failure("no_reply", f"batch {batch.id} has no line for it")
    errors = (batch.errors and batch.errors.data) or []
    told = "; ".join(f"{error.code}: {error.message}" for error in errors[:3]) or "no reason given"
    if any(error.code == _QUEUE_FULL for error in errors):
        return Failure(QUEUE_FULL, told)
    return Failure("batch_failed", f"batch {batch.id} failed as a whole: {told}", scope="run")
