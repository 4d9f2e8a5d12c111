"""How fast an endpoint is called: calls in flight, requests and tokens a minute, and less of all while it says 429."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter
from anyio import CapacityLimiter

_TOO_MANY_REQUESTS = 429
_WINDOW = 100  # replies that a change of pace is judged by
_TOLERATED = 5  # of them that may be 429: a lone one concerns its own call only
_SHARE = 0.95  # of a limit that is used, since the endpoint's clock is not ours
_GUESSED_TOKENS = 2000  # of a call, until the first replies tell


class Throttle:
    """Shared by all that call one endpoint, in one event loop.

    Attributes:
        parallel: calls in flight that are allowed at present, at most the number it was made with.
    """

    def __init__(self, parallel: int, requests_per_minute: int | None = None, tokens_per_minute: int | None = None):
        self._most = parallel
        self._in_flight = CapacityLimiter(parallel)
        self._requests = _limiter(requests_per_minute)
        self._unpaid = 0  # requests that the client made on its own, trying again
        self._tokens = _limiter(tokens_per_minute)
        self._taking_tokens = asyncio.Lock()
        self._calls_counted = self._tokens_counted = 0
        self._limited: deque[bool] = deque(maxlen=_WINDOW)
        self._of_before = 0  # replies to come to calls that were in flight when the pace last fell
        self._since_change = 0

    @property
    def parallel(self) -> int:
        return int(self._in_flight.total_tokens)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Wait until one more call may be made; it counts as in flight until the block ends."""
        async with self._in_flight:
            if self._requests:
                await self._requests.acquire()
                while self._unpaid:
                    self._unpaid -= 1
                    await self._requests.acquire()
            if self._tokens:  # what a call takes is known only afterwards: the mean of those before stands for it
                amount = self._tokens_counted / self._calls_counted if self._calls_counted else _GUESSED_TOKENS
                async with self._taking_tokens:  # one call after the other: it takes several times what flows at once
                    await _acquire(self._tokens, amount)
            yield

    def used(self, tokens: int) -> None:
        """A call took `tokens`, prompt and reply; 0 where the endpoint does not say."""
        if tokens:
            self._calls_counted += 1
            self._tokens_counted += tokens

    def heard(self, statuses: Iterable[int]) -> None:
        """HTTP statuses of replies, those that are tried again among them.

        More than 5 of the last 100 being 429 take away three calls in ten, once for all calls that are in flight at
        that moment. From then on, as many other replies as there are calls in flight add a tenth of the full number.
        """
        for status in statuses:
            limited = status == _TOO_MANY_REQUESTS
            self._unpaid += self._requests is not None and (limited or status == 408 or status >= 500)
            if self._of_before:
                self._of_before -= 1
                continue
            self._limited.append(limited)
            self._since_change += not limited
            if sum(self._limited) > _TOLERATED:
                self._of_before = self._in_flight.borrowed_tokens
                self._limited.clear()
                self._set_parallel(self.parallel * 7 // 10)
            elif not limited and self.parallel < self._most and self._since_change >= self.parallel:
                self._set_parallel(self.parallel + max(1, self._most // 10))

    def _set_parallel(self, parallel: int) -> None:
        self._since_change = 0
        self._in_flight.total_tokens = min(self._most, max(1, parallel))


async def _acquire(limiter: AsyncLimiter, amount: float) -> None:
    """Acquire `amount`, in parts where it is more than the limiter gives at once."""
    while amount > 0:
        part = min(amount, limiter.max_rate)
        await limiter.acquire(part)
        amount -= part


def _limiter(per_minute: int | None) -> AsyncLimiter | None:
    """Spread over the minute: no more than one second's worth (or one request) at once."""
    if per_minute is None:
        return None
    burst = max(1.0, per_minute * _SHARE / 60)
    return AsyncLimiter(burst, burst * 60 / (per_minute * _SHARE))
