"""Fixtures: a tiny real model, fake endpoints, the program as users start it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_batches import FakeBatches, serve_batches
from fake_openai import FakeOpenAI, judge_reply, serve
from hypothesis import HealthCheck, settings
from s3_server import WEED, S3Server
from slurm_cluster import Cluster, Submitter, slurm_cluster

from mtbench_ko.engine import Node, ray_cluster
from mtbench_ko.store.objects import Place

settings.register_profile("quick", deadline=None)  # a busy machine is no fault of the program's
settings.register_profile("soak", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")
REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = Path(os.environ.get("MTBENCH_KO_UPSTREAM_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def upstream() -> Path:
    """Upstream's question sets and judgments, which are never part of this repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no upstream data at {SHARED_DATA} (set MTBENCH_KO_UPSTREAM_DATA)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two model folders of the same shape and different weights."""
    if find_spec("vllm") is None:
        pytest.skip("needs vLLM: make install")
    folders = [tmp_path_factory.mktemp("models") / name for name in ("tiny", "other")]
    for seed, folder in enumerate(folders):
        script = REPOSITORY / "tests" / "tiny_model.py"
        subprocess.run([sys.executable, script, folder, str(seed)], check=True, capture_output=True)
    return folders


@pytest.fixture
def model_endpoint() -> Iterator[FakeOpenAI]:
    with serve(FakeOpenAI()) as fake:
        yield fake


@pytest.fixture
def judge_endpoint() -> Iterator[FakeOpenAI]:
    with serve(FakeOpenAI(reply=judge_reply)) as fake:
        yield fake


@pytest.fixture
def api() -> Iterator[FakeBatches]:
    """OpenAI's Batch API; a reply quotes what it was asked."""
    with serve_batches(FakeBatches(reply=lambda body, number: f"{body['messages'][0]['content']}에 대한 답")) as fake:
        yield fake


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A cent for each call of the fake endpoints, whose prompts have ten tokens."""
    file = tmp_path / "prices.yaml"
    file.write_text("judge: {input: 1000, output: 0}\norg/*: {input: 1000, output: 0}\n")
    return file


class Program:
    """The installed `mtbench-ko`, in a clean environment without hub access; without reports, which take seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "MTBENCH_KO_", "RAY_", "HF_", "COLUMNS"))
        } | {
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
            "MTBENCH_KO_NO_REPORT": "1",
            "MTBENCH_KO_DATA_CACHE": str(folder / "data-cache"),
            "MTBENCH_KO_DATA_MIRROR": str(folder / "no-mirror"),
        }

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "mtbench_ko", *map(str, arguments)]

    def __call__(self, *arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.env | (env or {}), text=True, capture_output=True
        )

    def start(self, *arguments: object, prefix: list[str] | None = None) -> subprocess.Popen[str]:
        """Start it in the background; its output goes to files beside the run."""
        log = (self.folder / "program.log").open("a")
        return subprocess.Popen(
            [*(prefix or []), *self.command(*arguments)],
            cwd=self.folder,
            env=self.env,
            text=True,
            stdout=log,
            stderr=log,
        )

    def log(self) -> str:
        return (self.folder / "program.log").read_text()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("needs root, to mount a small tmpfs")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server for the whole session; who kills it starts it again."""
    if not WEED.exists():
        pytest.skip("needs SeaweedFS: make install")
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """A bucket of the test's own."""
    name = f"run-{os.urandom(6).hex()}"
    s3.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def place(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place in a bucket of the test's own, with credentials."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    return Place(f"s3://{bucket}/runs/one", s3.url)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Slurm of two nodes for the whole session."""
    with slurm_cluster(tmp_path_factory.getbasetemp()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def submit(slurm: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Submitter:
    folder = tmp_path_factory.mktemp("jobs")
    return Submitter(slurm, folder, Program(folder).env)


# Ray's name for "bind to loopback only"; drivers that join such a cluster need it too.
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled"}
os.environ |= ON_LOOPBACK  # Ray reads it once in a process: a session with another mode would hang

OUR_RAY = {"RAY_process_group_cleanup_enabled": "1", "RAY_worker_niceness": "0"}  # as the program's own clusters


def ray_environment() -> dict[str, str]:
    """Without the caller's Ray settings; no token, which a cluster that `ray.init` starts would ask drivers for."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return others | ON_LOOPBACK | OUR_RAY


@contextmanager
def ray_cluster_of_others(**resources: int) -> Iterator[str]:
    """A Ray cluster that somebody else left running here; yields its address. `resources` need not be real."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    ready = "print(ray.get_runtime_context().gcs_address, flush=True); sys.stdin.read()"
    options = {"address": "local", "include_dashboard": False, "_temp_dir": str(folder), **resources}
    start = f"import ray, sys; ray.init(**{options!r}); {ready}"
    with subprocess.Popen(
        [sys.executable, "-c", start], env=ray_environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        yield owner.stdout.readline().strip()
        owner.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[str]:
    """One Ray cluster for all tests that do not care whose it is: joining takes half the time of starting one."""
    with ray_cluster_of_others() as address:
        yield address


@contextmanager
def joined(address: str) -> Iterator[list[Node]]:
    """The test itself is a driver on the cluster at `address`; yields its nodes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        with ray_cluster(address) as nodes:
            yield nodes


@pytest.fixture
def joined_cluster(shared_cluster: str) -> Iterator[None]:
    """The test itself is a driver on the shared cluster."""
    with joined(shared_cluster):
        yield


@pytest.fixture
def shared_ray(program: Program, shared_cluster: str) -> None:
    """The program joins the shared cluster."""
    program.env |= ON_LOOPBACK | {"RAY_ADDRESS": shared_cluster}


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, as a node failure or an impatient scheduler does."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def wait_for_lines(program: Program, process: subprocess.Popen[str], journal: Path, lines: int) -> None:
    """Until the journal of a run that goes on in the background has so many lines."""
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < lines):
        time.sleep(0.05)
    assert process.poll() is None, program.log()
