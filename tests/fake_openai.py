"""An OpenAI-compatible endpoint on loopback that answers differently at every call and misbehaves on request."""

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Reply = Callable[[dict[str, Any], int], Any]


def text_reply(body: dict[str, Any], number: int) -> str:
    """The answer of a model: never twice the same."""
    return f"{number}번째 답변입니다."


def judge_reply(body: dict[str, Any], number: int) -> str:
    """A judge that takes schemas: 1 to 10, by call."""
    rating = number % 10 + 1
    if "response_format" in body:
        return json.dumps({"explanation": f"{number}번째 평가", "rating": rating}, ensure_ascii=False)
    return f"{number}번째 평가. 평점: [[{rating}]]"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a call: an HTTP status, alone or with its message, or "garbage" (a 200 that is not JSON),
    "empty" (a completion without content), "truncated" (a body that breaks off), "reset" or "silence"."""

    kind: int | str | tuple[int, str]


@dataclass
class FakeOpenAI:
    """`reply` makes the text of call n (from 1), or returns a web.Response to send as it is, or a `Fault`.

    `faults` are sent first, one a call.
    """

    reply: Reply = text_reply
    faults: list[int | str | tuple[int, str]] = field(default_factory=list)
    latency: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = next(self._numbers)
        headers = {"authorization": request.headers.get("Authorization"), "api-key": request.headers.get("api-key")}
        self.requests.append(body | headers | {"path": request.path_qs})
        await asyncio.sleep(self.latency)
        reply = Fault(self.faults.pop(0)) if self.faults else self.reply(body, number)
        if isinstance(reply, Fault):
            return await self._fault(reply.kind, body, request)
        return reply if isinstance(reply, web.StreamResponse) else completion(body, reply)

    async def _fault(self, fault: Any, body: dict[str, Any], request: web.Request) -> web.StreamResponse:
        if fault == "garbage":
            return web.Response(text='{"id": "x", "choices": [{"ind', content_type="application/json")
        if fault == "empty":
            return completion(body, None)
        if fault == "silence":
            await asyncio.sleep(3600)
        if fault == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault == "truncated":
            part = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100000"})
            await part.prepare(request)
            await part.write(b'{"id": "chatcmpl-fake", "choices": [{"index": 0, "message": {"content": "[[1')
            assert request.transport is not None
            request.transport.abort()
            return part
        status, message = fault if isinstance(fault, tuple) else (fault, "injected")
        headers = {"Retry-After": "1"} if status == 429 else {}
        return web.json_response({"error": {"message": message, "code": None}}, status=status, headers=headers)


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def completion(
    body: dict[str, Any],
    text: str | None,
    finish_reason: str = "stop",
    usage: dict[str, Any] | None = None,
    **message: Any,
) -> web.Response:
    """A chat completion as OpenAI sends it."""
    return web.json_response(
        {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 1,
            "model": f"{body['model']}-2026-01-01",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, **message},
                    "finish_reason": finish_reason,
                }
            ],
            "usage": usage or USAGE,
        }
    )


@contextmanager
def serve(fake: FakeOpenAI, host: str = "127.0.0.1", enter: Callable[[], None] | None = None) -> Iterator[FakeOpenAI]:
    """Serve `fake`, by default on loopback; `fake.url` is the base URL. Azure's dated API is there too."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", fake.handle)
    app.router.add_post("/openai/deployments/{deployment}/chat/completions", fake.handle)
    with serve_app(app, host, enter) as url:
        fake.url = f"{url}/v1"
        yield fake


@contextmanager
def serve_app(app: web.Application, host: str = "127.0.0.1", enter: Callable[[], None] | None = None) -> Iterator[str]:
    """Serve `app` on a free port of `host` from a thread, which first calls `enter`; yields its URL."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start() -> int:
        if enter:
            enter()
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        return int(runner.addresses[0][1])

    async def stop() -> None:
        await runner.cleanup()
        silent = asyncio.all_tasks() - {asyncio.current_task()}
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{asyncio.run_coroutine_threadsafe(start(), loop).result()}"
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
