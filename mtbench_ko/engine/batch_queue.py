"""Calls that wait to be handed over, and when and how many of them make a batch."""

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from mtbench_ko.engine.base import Failure
from mtbench_ko.engine.batch_lines import MOST_BYTES, MOST_LINES, Request, Said
from mtbench_ko.engine.parameters import Parameters
from mtbench_ko.records import BatchRecord


@dataclass(frozen=True)
class Reply:
    """What came of a line: its name, and the parameters that its batch left out."""

    outcome: Said | Failure
    line: str = ""
    left_out: Collection[str] = ()


FutureReply = asyncio.Future[Reply]


@dataclass(eq=False)
class Waiting:
    """A batch whose `replies`, by custom id, are to come; `lines` are there until it is handed over, then `record`."""

    left_out: Collection[str]
    replies: dict[str, FutureReply] = field(default_factory=dict)
    lines: dict[str, bytes] = field(default_factory=dict)
    record: BatchRecord | None = None


@dataclass(frozen=True)
class _Asked:
    request: Request
    reply: FutureReply
    since: float


class Queue:
    """A batch is due when nothing has come for `quiet` seconds while none is at work, or when the first call has waited
    for `longest_wait` seconds."""

    def __init__(self, quiet: float, longest_wait: float) -> None:
        self._quiet, self._longest_wait = quiet, longest_wait
        self._asked: deque[_Asked] = deque()
        self._most_lines = self._most_batches = MOST_LINES
        self._last_came = self._pause_until = 0.0

    def __iter__(self) -> Iterator[FutureReply]:
        """The replies to the calls that wait."""
        return (asked.reply for asked in self._asked)

    def put(self, request: Request) -> FutureReply:
        """Ask; returns the reply to come."""
        reply: FutureReply = asyncio.get_running_loop().create_future()
        self._last_came = _now()
        self._asked.append(_Asked(request, reply, self._last_came))
        return reply

    def due(self, at_work: int) -> bool:
        """Whether a batch is to be made while `at_work` others are there."""
        if not self._asked or _now() < self._pause_until or at_work >= self._most_batches:
            return False
        calm = _now() - self._last_came >= self._quiet and not at_work
        return calm or _now() - self._asked[0].since >= self._longest_wait

    def batches(self, parameters: Parameters, at_work: int) -> Iterator[Waiting]:
        """All calls as batches, each as large as it may be, as far as there may be so many."""
        for _ in range(at_work, self._most_batches):
            batch = self._fill(parameters)
            if not batch.lines:
                return
            yield batch

    def too_much(self, lines: int, others: int, pause: float) -> bool:
        """The API could not hold a batch of so many lines beside `others`: fewer batches from now on, or if it was
        alone smaller ones, one after the other. Returns whether that helps: a single line can only wait for `pause`
        seconds."""
        if others:
            self._most_batches = min(self._most_batches, others)
        elif lines > 1:
            self._most_lines, self._most_batches = lines // 2, 1
        else:
            self._pause_until = _now() + pause
        return bool(others) or lines > 1

    def _fill(self, parameters: Parameters) -> Waiting:
        batch, size = Waiting(parameters.left_out), 0
        seen: Counter[str] = Counter()
        while self._asked and len(batch.lines) < self._most_lines:
            request, reply = self._asked[0].request, self._asked[0].reply
            custom_id = f"{request.key}-{seen[request.key]}"
            line = request.line(custom_id, parameters.body(request.sampling, request.schema))
            size += len(line)
            if batch.lines and size > MOST_BYTES:
                break
            self._asked.popleft()
            if not reply.cancelled():
                seen[request.key] += 1
                batch.lines[custom_id], batch.replies[custom_id] = line, reply
        return batch


def _now() -> float:
    return asyncio.get_running_loop().time()
