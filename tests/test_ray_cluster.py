"""Whose Ray it runs on: a cluster that was named, else its own, and never one that merely happens to be there."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import ON_LOOPBACK, Program, ray_environment
from fake_openai import FakeOpenAI

from mtbench_ko.engine import ray_cluster
from mtbench_ko.errors import Preempted

LIST_JOBS = "import ray; ray.init(address={!r}); from ray._private.state import jobs; print('jobs', len(jobs()))"


def jobs(address: str) -> int:
    """How many drivers have ever joined the cluster, the one that asks not counted."""
    result = subprocess.run(
        [sys.executable, "-c", LIST_JOBS.format(address)],
        env=ray_environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout.split()[-1])


def test_sigterm_while_ray_starts_is_a_preemption_and_leaves_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def told_to_end(*, _temp_dir: str, **options: object) -> None:
        folders.append(Path(_temp_dir))
        signal.raise_signal(signal.SIGTERM)

    folders: list[Path] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", told_to_end)
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))  # as ray.init itself does
    try:
        with pytest.raises(Preempted), ray_cluster(None):
            pass
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [folder.exists() for folder in folders] == [False]


def test_cluster_is_joined_only_when_it_is_named(
    program: Program, shared_cluster: str, model_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    command = [
        "generate", "--bench-name", "mt_bench_ko_native", "--first-n", 1,
        "--model", "m", "--openai-api-base", model_endpoint.url,
    ]  # fmt: skip
    before = jobs(shared_cluster)
    assert program(*command, "--output", tmp_path / "own").returncode == 0
    assert jobs(shared_cluster) == before + 1  # the one that asked before
    result = program(*command, "--output", tmp_path / "named", "--ray-address", shared_cluster, env=ON_LOOPBACK)
    assert result.returncode == 0, result.stderr
    assert jobs(shared_cluster) == before + 3
    answers = (tmp_path / "named" / "mt_bench_ko_native" / "model_answer" / "m.jsonl").read_text()
    assert len(json.loads(answers)["choices"][0]["turns"]) == 2


LATE = """
from mtbench_ko.engine.cluster import _set_environment
_set_environment()
import ray
ray.put(1)
"""


def test_call_when_ray_has_ended_starts_no_cluster_of_rays_own() -> None:
    result = subprocess.run([sys.executable, "-c", LATE], env=ray_environment(), text=True, capture_output=True)
    assert result.returncode == 1
    assert "Ray has not been started yet" in result.stderr


def test_own_cluster_is_reached_on_loopback_alone_and_with_its_token(
    program: Program, model_endpoint: FakeOpenAI
) -> None:
    """Whoever reaches a Ray cluster runs code in it."""
    model_endpoint.latency = 3600
    process = program.start(
        "generate", "--bench-name", "mt_bench_ko_native", "--first-n", 1,
        "--model", "m", "--openai-api-base", model_endpoint.url, "--grace-seconds", 0,
    )  # fmt: skip
    try:
        while process.poll() is None and not model_endpoint.requests:
            time.sleep(0.1)
        assert process.poll() is None, program.log()
        family = psutil.Process(process.pid).children(recursive=True)
        ports = dict(listening(family))
        assert {address for address, _ in ports} == {"127.0.0.1"}
        assert all("--disable-frontend" in name for name in ports.values() if "dashboard.py" in name)
        (gcs,) = [address for address, name in ports.items() if "gcs_server" in name]
        stranger = subprocess.run(
            [sys.executable, "-c", STRANGER.format(*gcs)], env=ray_environment(), text=True, capture_output=True
        )
        assert "in the cluster" not in stranger.stdout
        assert "token" in stranger.stderr.lower()
    finally:
        process.terminate()
        process.wait()


STRANGER = """
from ray._raylet import GcsClient
GcsClient('{}:{}').internal_kv_keys(b'')
print('in the cluster')
"""


def listening(family: list[psutil.Process]) -> Iterator[tuple[tuple[str, int], str]]:
    """The addresses on which these processes listen, and their command lines."""
    for member in family:
        for connection in member.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                yield (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port), " ".join(member.cmdline())
