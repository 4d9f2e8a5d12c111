"""Whose Ray it runs on: a cluster that was named, else its own, and never one that merely happens to be there."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Program
from fake_openai import FakeOpenAI

# Ray's name for "bind to loopback only"; drivers that join such a cluster need it too.
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
LIST_JOBS = "import ray; ray.init(address={!r}); from ray._private.state import jobs; print('jobs', len(jobs()))"


def clean_environment() -> dict[str, str]:
    """Without the caller's Ray settings; no token, which a cluster that `ray.init` starts would ask drivers for."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return own | ON_LOOPBACK | {"RAY_AUTH_MODE": "disabled"}


@pytest.fixture
def cluster() -> Iterator[str]:
    """A Ray cluster that somebody else left running on this machine; yields its address."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    ready = "print(ray.get_runtime_context().gcs_address, flush=True); sys.stdin.read()"
    start = f"import ray, sys; ray.init(address='local', include_dashboard=False, _temp_dir={str(folder)!r}); {ready}"
    owner = subprocess.Popen(
        [sys.executable, "-c", start], env=clean_environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    yield owner.stdout.readline().strip()
    owner.stdin.close()
    owner.wait()
    shutil.rmtree(folder, ignore_errors=True)


def jobs(address: str) -> int:
    """How many drivers have ever joined the cluster, the one that asks not counted."""
    result = subprocess.run(
        [sys.executable, "-c", LIST_JOBS.format(address)],
        env=clean_environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout.split()[-1])


def test_cluster_is_joined_only_when_it_is_named(
    program: Program, cluster: str, model_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    command = [
        "generate", "--bench-name", "mt_bench_ko_native", "--first-n", 1,
        "--model", "m", "--openai-api-base", model_endpoint.url,
    ]  # fmt: skip
    before = jobs(cluster)
    assert program(*command, "--output", tmp_path / "own").returncode == 0
    assert jobs(cluster) == before + 1  # the one that asked before
    result = program(*command, "--output", tmp_path / "named", "--ray-address", cluster, env=ON_LOOPBACK)
    assert result.returncode == 0, result.stderr
    assert jobs(cluster) == before + 3
    answers = (tmp_path / "named" / "mt_bench_ko_native" / "model_answer" / "m.jsonl").read_text()
    assert len(json.loads(answers)["choices"][0]["turns"]) == 2
