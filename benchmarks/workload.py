"""What both arms of the judge-pool benchmark share: the calls, the mock server's process, and the clocks."""

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mock_api import RATING

HERE = Path(__file__).parent
MODEL = "judge"
API_KEY = "sk-mock"
TEMPERATURE, MAX_TOKENS = 0.0, 2048
_SYSTEM = "당신은 인공지능이 쓴 한국어 답변을 치우침 없이 채점하는 평가자입니다. 마지막 줄에 평점을 적습니다."
_ANSWER = "한국어의 높임법은 말하는 이와 듣는 이, 그리고 문장에 나오는 인물 사이의 관계를 함께 살펴야 합니다. "


@dataclass(frozen=True)
class Outcome:
    """What one arm measured: `seconds` for all items, CPU seconds of its processes, and the server's counters."""

    items: int
    completed: int
    seconds: float
    cpu_seconds: float
    server: dict[str, Any]
    failures: list[str] = field(default_factory=list)
    cpu_parts: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return self.completed / self.seconds

    @property
    def cpu_ms_per_request(self) -> float:
        return 1000 * self.cpu_seconds / int(self.server["requests"])


def prompts(count: int) -> list[list[dict[str, str]]]:
    """Messages of about 3 KB of Korean, no two alike: nothing on the way can send them once for all."""
    return [
        [
            {"role": "system", "content": _SYSTEM},
            {
                "role": "user",
                "content": f"◆ 사용자의 질문 {number}\n\n▶ 답변 {number}의 시작\n{_ANSWER * 20}\n◀ 답변의 끝",
            },
        ]
        for number in range(count)
    ]


def is_whole(text: str | None) -> bool:
    """Whether a reply arrived with its end, where the verdict is."""
    return bool(text) and str(text).endswith(RATING)


def arm_arguments(description: str) -> argparse.Namespace:
    """The command line of an arm's process."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", required=True, help="of the mock server")
    parser.add_argument("--parallel", type=int, required=True, help="calls in flight")
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--rpm", type=int, help="requests a minute that the client keeps to")
    return parser.parse_args()


def hand_over(outcome: Outcome) -> None:
    """Tell the parent process, as the last line of stdout."""
    print(json.dumps(asdict(outcome)), flush=True)


def run_arm(script: str, url: str, parallel: int, items: int, rpm: int | None) -> Outcome:
    """Run an arm in a process of its own.

    Raises:
        RuntimeError: it ended without an outcome.
    """
    command = [sys.executable, str(HERE / script), "--url", url, "--parallel", str(parallel), "--items", str(items)]
    if rpm is not None:
        command += ["--rpm", str(rpm)]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment | {"HF_HUB_OFFLINE": "1"}
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"{script} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return Outcome(**json.loads(lines[-1]))


@contextmanager
def mock_server(flags: dict[str, Any]) -> Iterator[str]:
    """A server of its own with these options of mock_api.py; yields its URL."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    command = [sys.executable, str(HERE / "mock_api.py"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def reset(url: str) -> None:
    """Zero the server's counters and start its draws again."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/reset", method="POST")).read()


def stats(url: str) -> dict[str, Any]:
    """The server's counters."""
    with urllib.request.urlopen(f"{url}/stats") as reply:
        counters: dict[str, Any] = json.load(reply)
    return counters


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, that a process has used so far; 0 if it has ended."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def descendants(pid: int) -> set[int]:
    """The processes below a process."""
    running = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    parents = {process: int(fields[1]) for process in running if (fields := _stat(process))}
    found: set[int] = set()
    frontier = {pid}
    while frontier:
        frontier = {process for process, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return found


def _stat(pid: int) -> list[str]:
    """proc(5): /proc/PID/stat from the third field on; empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
