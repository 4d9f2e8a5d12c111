"""An endpoint is called no faster than it allows: calls in flight, requests a minute, and less while it says 429."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from fake_openai import FakeOpenAI

from mtbench_ko.engine.actors import endpoint_pool
from mtbench_ko.engine.base import Sampling
from mtbench_ko.engine.endpoint import EndpointSpec
from mtbench_ko.engine.throttle import Throttle

OK, LIMITED = 200, 429


def test_never_more_in_flight_than_allowed() -> None:
    throttle = Throttle(7)
    now = most = 0

    async def call() -> None:
        nonlocal now, most
        async with throttle.admitted():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    async def go() -> None:
        await asyncio.gather(*(call() for _ in range(100)))

    asyncio.run(go())
    assert most == 7


def test_pool_slows_as_a_whole_above_five_429s_in_a_hundred_and_speeds_up_again() -> None:
    async def go() -> None:
        throttle = Throttle(80)
        done = asyncio.Event()

        async def call() -> None:
            async with throttle.admitted():
                await done.wait()

        calls = [asyncio.create_task(call()) for _ in range(80)]
        await asyncio.sleep(0)
        throttle.heard([LIMITED])
        throttle.heard([OK] * 200)
        throttle.heard(([LIMITED] * 5 + [OK] * 95) * 2)
        assert throttle.parallel == 80  # lone ones concern their own call
        throttle.heard([LIMITED] * (6 + 80))
        assert throttle.parallel == 56  # once for all that were in flight
        throttle.heard([LIMITED] * (6 + 80))
        assert throttle.parallel == 39
        done.set()
        await asyncio.gather(*calls)
        throttle.heard([OK] * 39)
        assert throttle.parallel == 39 + 8
        throttle.heard([OK] * 47)
        assert throttle.parallel == 47 + 8
        throttle.heard([OK] * 500)
        assert throttle.parallel == 80
        for _ in range(50):
            throttle.heard([LIMITED] * 6)
        assert throttle.parallel == 1
        throttle.heard([OK])
        assert throttle.parallel == 9  # it is not stuck there

    asyncio.run(go())


def test_requests_a_minute_are_kept_so_that_the_server_has_nothing_to_refuse(
    model_endpoint: FakeOpenAI, joined_cluster: None
) -> None:
    """A server that allows 1,200 a minute with a burst of one second, as hosted APIs count, and 100 calls at once."""
    rpm, tokens, seen = 1200, 20.0, time.monotonic()

    def limited(body: dict[str, object], number: int) -> str | web.Response:
        nonlocal tokens, seen
        now = time.monotonic()
        tokens, seen = min(20.0, tokens + (now - seen) * rpm / 60), now
        if tokens < 1:
            return web.json_response({}, status=429, headers={"Retry-After": "1"})
        tokens -= 1
        return "답"

    model_endpoint.reply = limited
    spec = EndpointSpec("m", model_endpoint.url, "key", 100)

    async def go(throttle: Throttle) -> int:
        pool = endpoint_pool(spec, throttle)
        await pool.start()
        messages = [{"role": "user", "content": "질문"}]
        await asyncio.gather(*(pool.complete(messages, Sampling(0.0, 10)) for _ in range(100)))
        await pool.stop()
        return len(model_endpoint.requests)

    assert asyncio.run(go(Throttle(100, requests_per_minute=rpm))) <= 101
    model_endpoint.requests.clear()
    assert asyncio.run(go(Throttle(100))) > 110  # without the limit it does refuse


def test_tokens_a_minute_are_counted_by_what_calls_took() -> None:
    """10 calls of 600 tokens at 6,000 tokens a minute take most of a minute: of a clock that jumps to each timer."""
    throttle = Throttle(10, tokens_per_minute=6000)
    throttle.used(600)

    async def go() -> float:
        loop = asyncio.get_running_loop()
        clock = 0.0

        def call_at(when: float, callback: Callable[..., object], *arguments: Any, **options: Any) -> asyncio.Handle:
            nonlocal clock
            clock = max(clock, when) + 1e-6  # as no timer is exact
            return loop.call_soon(callback, *arguments)

        loop.time = lambda: clock  # type: ignore[method-assign]
        loop.call_at = call_at  # type: ignore[method-assign,assignment]
        for _ in range(10):
            async with throttle.admitted():
                pass
        return clock

    seconds = asyncio.run(go())
    assert 60 < seconds < 66
