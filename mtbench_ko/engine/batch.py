"""A judge behind OpenAI's Batch API: calls are handed over many at a time, at half the price, and come back in hours.

What was handed over is kept in a book before it is waited for, so that a driver that is killed takes it up again. A
reply is used once: the record that is made of it names its line.
"""

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

from mtbench_ko.engine.api_errors import CONTENT_FILTER, status_error
from mtbench_ko.engine.base import Completer, Completion, CompletionFailed, Failure, Messages, Sampling
from mtbench_ko.engine.batch_api import BatchApi
from mtbench_ko.engine.batch_courier import QUEUE_FULL, Book, Courier
from mtbench_ko.engine.batch_lines import EXPIRED, Request, key_of
from mtbench_ko.engine.batch_queue import FutureReply, Queue, Reply, Waiting
from mtbench_ko.engine.endpoint import EndpointSpec, withheld
from mtbench_ko.engine.parameters import Parameters
from mtbench_ko.engine.replies import read_completion
from mtbench_ko.errors import ModelFailed, Stopped
from mtbench_ko.records import BatchRecord

_REFUSED = "refused_parameter"
_FREE = (QUEUE_FULL, _REFUSED)  # reasons to ask again that are not a line's own fault
_AGAIN = (*_FREE, EXPIRED, "api_error", "rate_limited", "malformed_reply", "empty_reply", "no_reply")


class BatchEngine:
    """The engine of a judge's endpoint. One event loop uses it."""

    def __init__(
        self,
        spec: EndpointSpec,
        book: Book,
        say: Callable[[str], None],
        *,
        quiet: float = 3.0,
        longest_wait: float = 300.0,
        poll: tuple[float, float] = (2.0, 60.0),
        tries: int = 4,
        patience: float = 3600.0,
    ) -> None:
        """`book` keeps the batches; `say` is told news for people.

        Calls are handed over when nothing has come for `quiet` seconds while no batch is at work, or when the first of
        them has waited for `longest_wait` seconds. A batch is looked at after poll[0] seconds, then ever more rarely,
        at last every poll[1]. A call that fails is asked `tries` times in all. The API may be away for `patience`
        seconds.
        """
        self._spec, self._book, self._say = spec, book, say
        self._quiet, self._poll, self._tries = quiet, poll, tries
        self._api = BatchApi(spec, pause=poll[0], patience=patience)
        self._courier = Courier(spec.model, self._api, book, say, poll)
        self._parameters = self._leaving_out(())
        self._queue = Queue(quiet, longest_wait)
        self._held: dict[str, deque[FutureReply]] = {}  # lines that earlier runs asked, by the key of the request
        self._open: dict[asyncio.Task[None], Waiting] = {}
        self._handing_over: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._stopping = False
        self._began = time.time()
        self._counts: Counter[str] = Counter()
        self._ids: list[str] = []

    async def start(self) -> None:
        """Take up the batches of earlier runs, and begin to hand over.

        Raises:
            ModelFailed: the API cannot be reached.
            Stopped: the key is refused, there is no Batch API, or it does not have a batch of this run.
        """
        try:
            await self._api.start()
            for record in self._book.batches(self._spec.model):
                if record.replies != 0:
                    self._parameters = self._leaving_out(record.left_out)
                if found := await self._courier.take_up(record):
                    self._take_up(found)
        except BaseException as error:
            await self.stop()
            await self._api.close()
            if isinstance(error, CompletionFailed):
                raise ModelFailed(str(error)) from error
            raise
        self._handing_over = asyncio.create_task(self._hand_over())
        self._handing_over.add_done_callback(self._over)

    async def stop(self) -> None:
        """Stop waiting. The batches go on, and the next run fetches them."""
        self.let_go()
        tasks = [*self._open, *filter(None, [self._handing_over])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def let_go(self) -> None:
        """End all calls as cancelled; their batches are fetched by the next run."""
        self._stopping = True
        for reply in self._awaited():
            reply.cancel()

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Completer]:
        yield self

    def metrics(self) -> list[dict[str, Any]]:
        """Nothing: how far the batches are is said in words."""
        return []

    def describe(self) -> list[dict[str, Any]]:
        """What was done, as a `ReplicaPool` has it of a replica."""
        return [
            {
                "replica": 0,
                "engine": "batch",
                "model": self._spec.model,
                "node": "",
                "pid": os.getpid(),
                "seconds_served": round(time.time() - self._began, 1),
                "completions": self._counts["completions"],
                "prompt_tokens": self._counts["prompt_tokens"],
                "generated_tokens": self._counts["completion_tokens"],
                "cache_hit_rate": None,
                "details": {"base_url": self._api.base_url, "batches": self._ids},
                "died": None,
            }
        ]

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        request = Request(self._spec.model, messages, sampling, schema)
        wasted: Counter[str] = Counter()
        failed = 0
        while True:
            reply = await self._ask(request)
            result = self._read(request, reply)
            self._counts.update(result.usage)
            if isinstance(result, Completion):
                self._counts["completions"] += 1
                return replace(result.after(wasted), batch=reply.line)
            if result.scope == "run":
                raise Stopped(f"the judge's calls cannot go on: {result.reason}: {result.detail}")
            wasted.update(result.usage)
            failed += result.reason not in _FREE
            if result.reason not in _AGAIN or failed >= self._tries:
                raise CompletionFailed(replace(result, usage=dict(wasted)))

    async def _ask(self, request: Request) -> Reply:
        """The reply of a line that an earlier run asked, or of one that is asked soon."""
        if self._error:
            raise self._error
        held = self._held.get(request.key)
        reply = held.popleft() if held else self._queue.put(request)
        if self._stopping:
            reply.cancel()
        return await reply

    def _read(self, request: Request, reply: Reply) -> Completion | Failure:
        """What a reply means. A parameter that it refuses is left out from now on."""
        said = reply.outcome
        if isinstance(said, Failure):
            return self._spec.clean(said)
        body = self._leaving_out(reply.left_out).body(request.sampling, request.schema)
        if said.status == 200:
            return self._spec.clean(read_completion(said.body, self._spec.model, body))
        error = status_error(said.status, said.body)
        if said.status in (400, 422):
            if error.code == CONTENT_FILTER:
                return withheld(body, self._spec.model)
            if self._parameters.step_down(error, body):
                return Failure(_REFUSED, str(error))
        return self._api.failure(error)

    def _leaving_out(self, parameters: Collection[str]) -> Parameters:
        return Parameters(self._spec.model, self._spec.base_url, parameters)

    def _take_up(self, record: BatchRecord) -> None:
        """Have the lines of an earlier batch at hand that no record was made of."""
        loop = asyncio.get_running_loop()
        replies = {custom_id: loop.create_future() for custom_id in self._book.unread(record)}
        for custom_id, reply in replies.items():
            self._held.setdefault(key_of(custom_id), deque()).append(reply)
        self._say(f"batch {record.batch_id} of an earlier run is taken up: {len(replies)} calls")
        self._begin(Waiting(record.left_out, replies, record=record))

    async def _hand_over(self) -> None:
        """Make batches of what is asked."""
        try:
            while True:
                await asyncio.sleep(self._quiet / 4)
                if self._queue.due(len(self._open)):
                    for batch in self._queue.batches(self._parameters, len(self._open)):
                        self._begin(batch)
        finally:
            await self._api.close()

    def _begin(self, batch: Waiting) -> None:
        task = asyncio.create_task(self._carry(batch))
        self._open[task] = batch
        task.add_done_callback(self._over)

    async def _carry(self, batch: Waiting) -> None:
        """Hand a batch over, wait for it, and give out what came of its lines."""
        try:
            record = batch.record or await self._courier.hand_over(batch.lines, batch.left_out)
            batch.lines.clear()
            self._ids.append(str(record.batch_id))
            outcomes = await self._courier.outcomes(record)
        except CompletionFailed as error:
            _give_out(batch, dict.fromkeys(batch.replies, Reply(error.failure)))
            return
        full = [why for why in outcomes.values() if isinstance(why, Failure) and why.reason == QUEUE_FULL]
        if full and not self._queue.too_much(len(full), len(self._open) - 1, self._poll[1]):
            outcomes = dict.fromkeys(outcomes, replace(full[0], reason="rate_limited"))
        replies = {name: Reply(outcome, record.line(name), batch.left_out) for name, outcome in outcomes.items()}
        _give_out(batch, replies)

    def _awaited(self) -> Iterator[FutureReply]:
        """The replies that have not come."""
        handed_over = (batch.replies.values() for batch in self._open.values())
        return (reply for reply in chain(self._queue, *handed_over) if not reply.done())

    def _over(self, task: asyncio.Task[None]) -> None:
        """A batch is through, or work in the background ended by an error: whoever waits is told."""
        if not task.cancelled() and (error := task.exception()):
            self._error = self._error or error
            for reply in self._awaited():
                reply.set_exception(self._error)
                reply.exception()  # has been seen: nobody may wait for a line of an earlier run
        self._open.pop(task, None)


def _give_out(batch: Waiting, replies: dict[str, Reply]) -> None:
    """All at once: whoever waits goes on before an error of one can end the others."""
    for custom_id, future in batch.replies.items():
        if not future.done():
            future.set_result(replies[custom_id])
