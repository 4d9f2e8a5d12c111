"""A server that has upstream's files under the paths of their own URLs, as a mirror does, and its faults."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from fake_openai import serve_app

from mtbench_ko.bench import DataSet, registry


def upstream_files(upstream: Path) -> dict[str, bytes]:
    """URL path -> content, for every registered file that the folder of upstream data has."""
    files = {}
    for data_set in registry().values():
        for file in data_set.files:
            local = upstream / data_set.name / file.path
            if data_set.name == "mt_bench" and file.path == "judge_prompts.jsonl":
                local = upstream / file.path
            if local.is_file():
                files[path_of(data_set, file.path)] = local.read_bytes()
    return files


def mirror_folder(upstream: Path, folder: Path) -> Path:
    """The same files as a mirror on disk."""
    for path, content in upstream_files(upstream).items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def path_of(data_set: DataSet, path: str) -> str:
    """The path in the URL of a set's file."""
    (file,) = [file for file in data_set.files if file.path == path]
    return urlsplit(data_set.url(file)).path


@dataclass
class DataServer:
    """`files` and `faults` by URL path; a fault is "truncated", "loop", "silence", "trickle" or an HTTP status."""

    files: dict[str, bytes]
    faults: dict[str, str | int] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        fault = self.faults.get(request.path)
        body = self.files.get(request.path)
        if isinstance(fault, int) or body is None:
            return web.Response(status=fault if isinstance(fault, int) else 404)
        if fault == "loop":
            return web.Response(status=302, headers={"Location": request.path})
        if fault is None:
            return web.Response(body=body)
        return await self._break(str(fault), body, request)

    async def _break(self, fault: str, body: bytes, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if fault == "silence":
            await asyncio.sleep(3600)
        with suppress(ConnectionError):  # the client has had enough
            while fault == "trickle":
                await response.write(b" ")
                await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response


@contextmanager
def serve_data(files: dict[str, bytes]) -> Iterator[DataServer]:
    """Serve `files` on loopback."""
    server = DataServer(dict(files))
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    with serve_app(app) as url:
        server.url = url
        yield server
