"""Fixtures: a tiny real model, fake endpoints, the program as users start it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI, judge_reply, serve

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


class Program:
    """The installed `mtbench-ko`, in a clean environment without hub access."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "MTBENCH_KO_", "RAY_", "HF_"))
        } | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}

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


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, as a node failure or an impatient scheduler does."""
    process.send_signal(signal.SIGKILL)
    process.wait()
