"""The next model's weights come from the hub ahead of time; the hub is a server on loopback with its protocol."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from conftest import joined
from fake_openai import serve_app

from mtbench_ko.engine import Downloads, Weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same again",
    "README.md": b"?",
}
WEIGHTS = Weights("team/tiny", COMMIT, f"hub:team/tiny@{COMMIT}", "")


class FakeHub:
    """https://huggingface.co/docs/hub/api: the tree and the info of one model, and its files with their ETags."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def tree(self, request: web.Request) -> web.Response:
        return web.json_response(
            [{"type": "file", "path": name, "size": len(body), "oid": _oid(body)} for name, body in FILES.items()]
        )

    async def info(self, request: web.Request) -> web.Response:
        files = [{"rfilename": name} for name in FILES]
        return web.json_response({"id": "team/tiny", "modelId": "team/tiny", "sha": COMMIT, "siblings": files})

    async def file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if request.method == "GET":
            self.sent.append(name)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_oid(FILES[name])}"'}
        return web.Response(body=FILES[name], headers=headers)


def _oid(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    fake = FakeHub()
    app = web.Application()
    app.router.add_get(f"/api/models/team/tiny/tree/{COMMIT}", fake.tree)
    app.router.add_get(f"/api/models/team/tiny/revision/{COMMIT}", fake.info)
    app.router.add_get(f"/team/tiny/resolve/{COMMIT}/{{name}}", fake.file)
    with serve_app(app) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield fake


def test_next_models_weights_are_fetched_once_on_the_node_and_in_one_format(
    hub: FakeHub, shared_cluster: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def download() -> None:
        downloads = Downloads()
        task = downloads.begin(WEIGHTS, [node.id for node in nodes])
        assert task is not None
        assert downloads.begin(WEIGHTS, [node.id for node in nodes]) is None
        await task

    with joined(shared_cluster) as nodes:
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        asyncio.run(download())
    snapshot = tmp_path / "hf" / "hub" / "models--team--tiny" / "snapshots" / COMMIT
    assert {file.name: file.read_bytes() for file in snapshot.iterdir()} == {
        name: FILES[name] for name in ("config.json", "model.safetensors")
    }
    assert sorted(hub.sent) == ["config.json", "model.safetensors"]
