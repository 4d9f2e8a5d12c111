"""The long counts: `make soak`."""

import os
import random
import shutil
import time
from pathlib import Path

import pytest
from conftest import Program, kill
from fake_openai import FakeOpenAI
from run_checks import check_run
from s3_server import S3Server, trouble_proxy

pytestmark = pytest.mark.soak
KILLS = 25


@pytest.mark.parametrize("where", ["directory", "bucket"])
def test_killed_25_times_at_random_moments(
    program: Program,
    model_endpoint: FakeOpenAI,
    judge_endpoint: FakeOpenAI,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    where: str,
) -> None:
    """With the output in a bucket the local spool is lost, too, in half of the kills."""
    seed = int(os.environ.get("MTBENCH_KO_SOAK_SEED", str(int(time.time()))))
    moments = random.Random(seed)
    print(f"MTBENCH_KO_SOAK_SEED={seed}")
    output, spool = "outputs", tmp_path / "spool"
    if where == "bucket":
        s3: S3Server = request.getfixturevalue("s3")
        output = f"s3://{request.getfixturevalue('bucket')}/soak"
        program.env |= s3.env | {"MTBENCH_KO_SPOOL": str(spool), "MTBENCH_KO_S3_ENDPOINT_URL": s3.url}
    model_endpoint.latency = judge_endpoint.latency = 0.5
    command = [
        "run", "--bench-name", "mt_bench_ko_native", "--first-n", 16, "--num-choices", 8,
        "--parallel", 2, "--judge-parallel", 2,
        "--model", "model", "--openai-api-base", model_endpoint.url, "--flush-seconds", 1,
        "--judge-model", "judge", "--judge-api-base", judge_endpoint.url, "--output", output,
    ]  # fmt: skip
    for number in range(KILLS):
        calls = len(model_endpoint.requests)
        process = program.start(*command)
        while process.poll() is None and len(model_endpoint.requests) == calls:
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 4))
        kill(process)
        if where == "bucket" and number % 2:
            shutil.rmtree(spool)
    model_endpoint.latency = judge_endpoint.latency = 0
    assert program(*command).returncode == 0
    folder = tmp_path / "outputs"
    if where == "bucket":
        assert program("sync", "status", "--output", output).returncode == 0
        assert program("sync", "pull", "--output", output, folder).returncode == 0
    assert check_run(folder, "mt_bench_ko_native", questions=16) == {"turns": 256, "scored": 256}
    redone = len(model_endpoint.requests) + len(judge_endpoint.requests) - 512
    print(f"{redone} of 512 items were asked for again, in {KILLS} kills")
    assert redone <= KILLS * (4 + 8)  # what was in flight, and what one interval finishes at this latency


@pytest.mark.parametrize("trouble", ["restarted", "busy", "refused", "gone"])
def test_a_minute_of_trouble_with_the_store_costs_nothing(
    program: Program,
    model_endpoint: FakeOpenAI,
    judge_endpoint: FakeOpenAI,
    tmp_path: Path,
    s3: S3Server,
    bucket: str,
    trouble: str,
) -> None:
    """The server is killed and comes back, says 503, refuses the credentials, or the bucket is gone until the end."""
    model_endpoint.latency = 3.0
    output = f"s3://{bucket}/soak"
    with trouble_proxy(s3.url) as proxy:
        program.env |= s3.env | {"MTBENCH_KO_SPOOL": str(tmp_path / "spool"), "MTBENCH_KO_S3_ENDPOINT_URL": proxy.url}
        process = program.start(
            "run", "--bench-name", "mt_bench_ko_native", "--first-n", 16, "--num-choices", 2, "--parallel", 2,
            "--model", "model", "--openai-api-base", model_endpoint.url, "--flush-seconds", 1,
            "--judge-model", "judge", "--judge-api-base", judge_endpoint.url, "--output", output,
        )  # fmt: skip
        while process.poll() is None and len(model_endpoint.requests) < 6:
            time.sleep(0.05)
        if trouble == "restarted":
            s3.kill()
        elif trouble == "gone":
            s3.delete_bucket(bucket)
        else:
            proxy.error = (503, "SlowDown") if trouble == "busy" else (403, "InvalidAccessKeyId")
        if trouble == "gone":
            assert process.wait() == 4, program.log()
            s3.client().create_bucket(Bucket=bucket)
            assert program("sync", "push", "--output", output).returncode == 0
        else:
            time.sleep(60)
            proxy.error = None
            if trouble == "restarted":
                s3.start()
            assert process.wait() == 0, program.log()
            assert "is back, and has everything so far" in program.log()
        assert "going on locally" in program.log()
        assert len(model_endpoint.requests) == len(judge_endpoint.requests) == 64
        assert program("sync", "status", "--output", output).returncode == 0
        assert program("sync", "pull", "--output", output, tmp_path / "pulled").returncode == 0
    assert check_run(tmp_path / "pulled", "mt_bench_ko_native", questions=16) == {"turns": 64, "scored": 64}
