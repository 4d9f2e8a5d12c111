"""A real Slurm of two nodes in namespaces of this machine (slurm/cluster.sh), and jobs on it."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI, serve

REPOSITORY = Path(__file__).parents[1]
_CONTROL = "10.213.0.1"  # the control host, as the nodes see it
_SCRIPT = Path(__file__).parent / "slurm" / "cluster.sh"
_COMMANDS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "ip", "unshare", "nsenter", "setpriv")
_NAMESPACES = ["unshare", "--net", "--uts", "--pid", "--mount", "--ipc", "--fork", "--mount-proc", "true"]
_OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
_PATIENCE = 600  # seconds until something that hangs fails its test


@dataclass(frozen=True)
class Process:
    pid: int  # as this machine sees it
    command: str


class Cluster:
    """Slurm with nodes node1 and node2, each with two fake GPUs."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self._process = process
        self._network = f"/proc/{process.pid}/ns/net"
        self._state = state
        self.env = {"SLURM_CONF": str(state / "slurm.conf")}

    def run(self, *command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
        """The stdout of a command of Slurm."""
        result = subprocess.run(
            ["nsenter", f"--net={self._network}", *map(str, command)],
            cwd=cwd, env=(os.environ if env is None else env) | self.env, text=True, capture_output=True,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}: {result.stderr}"
        return result.stdout

    @contextmanager
    def endpoint(self, fake: FakeOpenAI) -> Iterator[FakeOpenAI]:
        """Serve `fake` on the control host, where the nodes reach it and nobody else does."""
        with serve(fake, _CONTROL, self._enter_network):
            yield fake

    def _enter_network(self) -> None:
        """Move the calling thread into the control host's network."""
        with Path(self._network).open() as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")

    def temporary_folders(self, node: str) -> list[str]:
        """What jobs have left in a node's /tmp."""
        return [path.name for path in (self._state / f"tmp-{node}").glob("mtb-*")]

    def slurmd(self, node: str) -> int:
        """The process id of a node's slurmd, as this machine sees it."""
        return next(p.pid for p in self._family() if p.command == f"slurmd -D -N {node}")

    def processes(self, node: str) -> list[Process]:
        """What runs on a node, beside slurmd."""
        home = _namespace(self.slurmd(node))
        own = ("slurmd -D", f"/bin/bash {_SCRIPT}")
        family = self._family()
        return [p for p in family if p.command and not p.command.startswith(own) and _namespace(p.pid) == home]

    def wait_until_empty(self) -> None:
        """Wait until nothing runs on the nodes; Slurm may call a job ended a little before it is gone."""
        deadline = time.monotonic() + _PATIENCE
        while left := self.processes("node1") + self.processes("node2"):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)

    def _family(self) -> list[Process]:
        """The processes of this cluster: other tests may have one too."""
        processes = [Process(int(entry.name), _command(entry)) for entry in Path("/proc").glob("[0-9]*")]
        parents = {process.pid: _parent(process.pid) for process in processes}
        family = {self._process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return [process for process in processes if process.pid in family]


class Job:
    """A job of slurm/eval.sh or another script, submitted in a folder of its own."""

    def __init__(self, cluster: Cluster, folder: Path, number: str) -> None:
        self.cluster, self.folder, self.number = cluster, folder, number

    def log(self) -> str:
        path = self.folder / "job.log"
        return path.read_text() if path.exists() else ""

    def show(self, name: str) -> str:
        """A field of `scontrol show job`."""
        shown = self.cluster.run("scontrol", "show", "job", self.number)
        found = re.search(rf"\b{name}=(\S+)", shown)
        assert found, shown
        return found[1]

    def over(self) -> bool:
        return self.show("JobState") in _OVER

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        self.wait_until(self.over, "its end")
        return int(self.show("ExitCode").partition(":")[0])

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition, or fail when something hangs."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"job {self.number} waits for {what}:\n{self.log()}"
            time.sleep(0.5)

    def wait_for_lines(self, lines: int) -> None:
        """Wait until its journal has so many lines."""
        journal = self.folder / "outputs" / "_state" / "journal.jsonl"

        def enough() -> bool:
            assert not self.over(), self.log()
            return journal.exists() and journal.read_bytes().count(b"\n") >= lines

        self.wait_until(enough, f"{lines} lines in its journal")


class Submitter:
    """Submits slurm/eval.sh as a user does, each job from a folder of its own."""

    def __init__(self, cluster: Cluster, folder: Path, env: dict[str, str]) -> None:
        self.cluster, self.folder = cluster, folder
        self.env = env | {"EVAL_VENV": sys.prefix, "EVAL_RAY_WAIT": "120"}

    def __call__(self, name: str, options: str, *arguments: object, env: dict[str, str] | None = None) -> Job:
        """Submit with `options` of sbatch, and `arguments` and variables for the script."""
        folder = self.folder / name
        folder.mkdir()
        command = ["sbatch", "--parsable", f"--job-name={name}", "--output=job.log", "--cpus-per-task=1"]
        script = REPOSITORY / "slurm" / "eval.sh"
        number = self.cluster.run(
            *command, *options.split(), script, *arguments, cwd=folder, env=self.env | (env or {})
        )
        return Job(self.cluster, folder, number.strip())


@contextmanager
def slurm_cluster(shared: Path) -> Iterator[Cluster]:
    """Bring the cluster up, with `shared` visible on its nodes, and down again."""
    missing = [command for command in _COMMANDS if not shutil.which(command)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: make system-packages")
    refusal = subprocess.run(_NAMESPACES, text=True, capture_output=True, check=False)
    if refusal.returncode:
        pytest.skip(f"needs root, to make namespaces: {refusal.stderr.strip()}")
    with tempfile.TemporaryDirectory(prefix="mtb-slurm-", dir="/run") as folder:
        state = Path(folder)
        state.chmod(0o755)  # munge's socket lies in it
        command = [_SCRIPT, state, shared, REPOSITORY, sys.prefix]
        with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "Slurm did not come up"
            yield Cluster(process, state)
            process.stdin.close()


def _command(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
