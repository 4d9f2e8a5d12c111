"""The batches of a judge in a run's journal, on the disk and in the bucket before anybody waits for them."""

import asyncio

from mtbench_ko.records import BatchRecord
from mtbench_ko.store.output import Output
from mtbench_ko.store.run_store import RunStore


class BatchBook:
    """What `store` keeps of batches, in `output`."""

    def __init__(self, store: RunStore, output: Output) -> None:
        self._store = store
        self._output = output

    def batches(self, judge: str) -> list[BatchRecord]:
        """All of the judge, as they were kept last, in the order in which they were begun."""
        return self._store.batches(judge)

    def unread(self, batch: BatchRecord) -> list[str]:
        """The custom ids of lines that no judgment, game or attempt was made of."""
        return self._store.unread(batch)

    async def keep(self, batch: BatchRecord) -> None:
        """On disk when it returns, and in the bucket if that takes it.

        Raises:
            Stopped: the disk is full, or another run writes this output.
        """
        self._store.append(batch)
        self._store.sync()
        await asyncio.to_thread(self._output.try_to_send)
