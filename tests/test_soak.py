"""The long counts: `make soak`."""

import os
import random
import time
from pathlib import Path

import pytest
from conftest import Program, kill
from fake_openai import FakeOpenAI
from run_checks import check_run

pytestmark = pytest.mark.soak
KILLS = 25


def test_killed_25_times_at_random_moments(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    seed = int(os.environ.get("MTBENCH_KO_SOAK_SEED", str(int(time.time()))))
    moments = random.Random(seed)
    print(f"MTBENCH_KO_SOAK_SEED={seed}")
    model_endpoint.latency = judge_endpoint.latency = 0.5
    command = [
        "run", "--bench-name", "mt_bench_ko_native", "--num-choices", 8, "--parallel", 2, "--judge-parallel", 2,
        "--model", "model", "--openai-api-base", model_endpoint.url,
        "--judge-model", "judge", "--judge-api-base", judge_endpoint.url,
    ]  # fmt: skip
    for _ in range(KILLS):
        calls = len(model_endpoint.requests)
        process = program.start(*command)
        while process.poll() is None and len(model_endpoint.requests) == calls:
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 4))
        kill(process)
    model_endpoint.latency = judge_endpoint.latency = 0
    assert program(*command).returncode == 0
    assert check_run(tmp_path / "outputs", "mt_bench_ko_native", questions=16) == {"turns": 256, "scored": 256}
