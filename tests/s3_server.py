"""A real S3 server on loopback: SeaweedFS, which can be killed and started again on the same data."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from fake_openai import serve_app
from yarl import URL

KEY, SECRET = "ciaccesskey", "cisecretkey0123456789"
WEED = Path(sys.executable).with_name("weed")
_PORTS = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port")
_IDENTITIES = {
    "identities": [
        {
            "name": "ci",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
    ],
    "kms": {"default_provider": "local", "providers": {"local": {"type": "local", "enableOnDemandCreate": True}}},
}


def _free_ports(count: int) -> list[int]:
    """Ports that are free, and free 10,000 higher too, where SeaweedFS puts its gRPC."""
    found: list[int] = []
    for port in range(random.randrange(20_000, 40_000), 54_000):  # others look for theirs at the same time
        try:
            for number in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            break
    return found


class S3Server:
    """`start`, `kill` (as a power cut does) and `start` again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps(_IDENTITIES))
        self.url = f"http://127.0.0.1:{self._ports['s3.port']}"
        self.env = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        arguments = [f"-{name}={port}" for name, port in self._ports.items()]
        self._process = subprocess.Popen(
            [
                WEED, "-logtostderr=true", "mini", f"-dir={self._folder / 'data'}",
                "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                f"-s3.config={self._folder / 's3.json'}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0",
                "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false",
                "-master.volumeSizeLimitMB=64", *arguments,
            ],
            env=os.environ | {"GOMAXPROCS": "2", "GOMEMLIMIT": "256MiB"},
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "weed.log").open("ab"),
            start_new_session=True,
        )  # fmt: skip
        while not self._healthy():
            assert self._process.poll() is None, (self._folder / "weed.log").read_text()[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def delete_bucket(self, bucket: str) -> None:
        """Delete it with all that is in it."""
        client = self.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                client.delete_object(Bucket=bucket, Key=entry["Key"])
        client.delete_bucket(Bucket=bucket)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class TroubleProxy:
    """Stands before an S3 server; answers everything with `error`, an HTTP status and S3's code, while that is set.
    With `deaf` the server does what it is asked, and only its replies are lost."""

    def __init__(self, target: str) -> None:
        self.error: tuple[int, str] | None = None
        self.deaf = False
        self.url = ""
        self._target = target

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if self.error and not self.deaf:
            return _failure(*self.error)
        async with (
            ClientSession(auto_decompress=False) as client,
            client.request(
                request.method,
                URL(self._target + request.raw_path, encoded=True),
                headers=request.headers,  # with the Host that was signed
                data=await request.read(),
            ) as reply,
        ):
            headers = {
                k: v for k, v in reply.headers.items() if k.lower() not in ("transfer-encoding", "content-length")
            }
            body = await reply.read()
            return (
                _failure(*self.error) if self.error else web.Response(status=reply.status, body=body, headers=headers)
            )


def _failure(status: int, code: str) -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
    return web.Response(status=status, text=body, content_type="application/xml")


@contextmanager
def trouble_proxy(target: str) -> Iterator[TroubleProxy]:
    """Serve a `TroubleProxy` on loopback from a thread."""
    proxy = TroubleProxy(target)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", proxy._pass_on)
    with serve_app(app) as url:
        proxy.url = url
        yield proxy
