"""OpenAI's Files and Batches endpoints on loopback, in front of a `FakeOpenAI` reply; they misbehave on request.

Source: https://platform.openai.com/docs/api-reference/batch
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from fake_openai import Fault, Reply, completion, judge_reply, serve_app

SECRET = "sk-secret"


@dataclass
class FakeBatches:
    """`reply` makes the text of line n (from 1), or a web.Response, or a `Fault`: an HTTP status, "garbage" (a line
    that is not JSON) or "lost" (no line).

    Attributes:
        ends: how the next batches end, one each: "expired" or "cancelled" with every other line done, or a pair of code
            and message for one that fails as a whole. Otherwise "completed".
        hold: batches stay at work, though their lines are done.
        creating: what happens to the next calls that create a batch, one each: "lost" (done, and the connection
            breaks), "silence" (done, and no reply comes), or a response instead of it.
        silent_files: downloads get no reply.
        most_lines: of a batch; a larger one fails as one with too many tokens does.
        empty_lists: so many times the list of batches shows none.
        down: every call gets a 503.
        paid: how often each request was answered, by its messages.
    """

    reply: Reply = judge_reply
    ends: list[Any] = field(default_factory=list)
    hold: bool = False
    creating: list[Any] = field(default_factory=list)
    silent_files: bool = False
    most_lines: int = 50_000
    empty_lists: int = 0
    down: bool = False
    key: str = "not-needed"
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    requests: list[dict[str, Any]] = field(default_factory=list)
    downloads: int = 0
    url: str = ""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/files", self.upload),
            web.get("/v1/files/{id}/content", self.content),
            web.post("/v1/batches", self.create),
            web.get("/v1/batches", self.list),
            web.get("/v1/batches/{id}", self.retrieve),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        identity = f"file-{len(self.files)}"
        self.files[identity] = form["file"].file.read()  # type: ignore[union-attr]
        file = {"id": identity, "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch"}
        return web.json_response(file | {"status": "processed"})

    async def content(self, request: web.Request) -> web.Response:
        self.downloads += 1
        if self.silent_files:
            await asyncio.sleep(3600)
        data = self.files.get(request.match_info["id"])
        return error(404, "No such File object") if data is None else web.Response(body=data)

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        fault = self.creating.pop(0) if self.creating else None
        if isinstance(fault, web.Response):
            return fault
        batch = {
            "id": f"batch_{len(self.batches)}",
            "object": "batch",
            "endpoint": asked["endpoint"],
            "completion_window": asked["completion_window"],
            "input_file_id": asked["input_file_id"],
            "metadata": asked["metadata"],
            "created_at": 2_000_000_000 + len(self.batches),
            "status": "in_progress",
        }
        self._work(batch)
        self.batches[batch["id"]] = batch
        if fault == "silence":
            await asyncio.sleep(3600)
        if fault == "lost":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(batch)

    async def list(self, request: web.Request) -> web.Response:
        """The newest first, three at a time, so that who looks must turn pages."""
        newest = [*self.batches.values()][::-1]
        if self.empty_lists:
            self.empty_lists -= 1
            newest = []
        if after := request.query.get("after"):
            newest = newest[[batch["id"] for batch in newest].index(after) + 1 :]
        return web.json_response({"object": "list", "data": newest[:3], "has_more": len(newest) > 3})

    async def retrieve(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return error(404, "No batch found")
        return web.json_response(batch if self.hold else batch | {"status": batch["end"]})

    def _work(self, batch: dict[str, Any]) -> None:
        """Do the lines of a batch, and put its files in the order that suits nobody."""
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        assert len({line["custom_id"] for line in lines}) == len(lines)
        end = self.ends.pop(0) if self.ends else "completed"
        if len(lines) > self.most_lines:
            end = ("token_limit_exceeded", "Enqueued token limit reached for judge")
        if isinstance(end, tuple):
            batch["end"], batch["errors"] = "failed", {"data": [{"code": end[0], "message": end[1]}]}
            return
        batch["end"] = end
        good, bad = [], []
        for number, line in enumerate(lines):
            if end == "completed" or number % 2:
                status, text = self._answer(line)
                (good if status == 200 else bad).append(text)
            else:
                failure = {"code": f"batch_{end}", "message": "This request could not be executed."}
                bad.append(json.dumps({"custom_id": line["custom_id"], "response": None, "error": failure}))
        for name, texts in (("output_file_id", good[::-1]), ("error_file_id", bad[::-1])):
            if texts:
                batch[name] = f"file-{len(self.files)}"
                self.files[batch[name]] = "".join(f"{text}\n" for text in texts if text).encode()
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}

    def _answer(self, line: dict[str, Any]) -> tuple[int, str]:
        """The status and the text of a line of the output or the error file."""
        assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
        body = line["body"]
        self.requests.append(body)
        reply = self.reply(body, len(self.requests))
        if isinstance(reply, Fault) and isinstance(reply.kind, str):
            return 200, '{"custom_id": "' if reply.kind == "garbage" else ""
        if isinstance(reply, Fault):
            reply = error(int(reply.kind), "injected")  # type: ignore[arg-type]
        response = reply if isinstance(reply, web.Response) else completion(body, reply)
        self.paid[json.dumps(body["messages"])] += response.status == 200
        said = {"status_code": response.status, "request_id": "r", "body": json.loads(response.text or "")}
        return response.status, json.dumps({"id": "x", "custom_id": line["custom_id"], "response": said, "error": None})


def error(status: int, message: str, code: str | None = None, param: str | None = None) -> web.Response:
    return web.json_response({"error": {"message": message, "code": code, "param": param}}, status=status)


@contextmanager
def serve_batches(fake: FakeBatches) -> Iterator[FakeBatches]:
    """Serve `fake` on loopback; `fake.url` is the base URL."""

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        if fake.down:
            return error(503, "down")
        if request.headers.get("Authorization") != f"Bearer {fake.key}":
            return error(401, "Incorrect API key provided", "invalid_api_key")
        return await handler(request)  # type: ignore[no-any-return]

    app = web.Application(client_max_size=64 << 20, middlewares=[guard])
    app.add_routes(fake.routes())
    with serve_app(app) as url:
        fake.url = f"{url}/v1"
        yield fake
