"""Whole runs into a bucket: `--output s3://`, killed, fenced, cut off from the store, and finished by hand."""

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Program, kill
from fake_openai import FakeOpenAI
from run_checks import BENCH, arguments, check_run, read_jsonl
from s3_server import S3Server

pytestmark = pytest.mark.usefixtures("shared_ray")


@pytest.fixture
def url(s3: S3Server, bucket: str, program: Program, tmp_path: Path) -> str:
    """The output; the program's spool is the test's own."""
    program.env |= s3.env | {"MTBENCH_KO_SPOOL": str(tmp_path / "spool"), "MTBENCH_KO_S3_ENDPOINT_URL": s3.url}
    return f"s3://{bucket}/runs/one"


def sync(program: Program, url: str, command: str, *more: object) -> str:
    result = program("sync", command, "--output", url, *more)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def pulled(program: Program, url: str, folder: Path) -> dict[str, Any]:
    sync(program, url, "pull", folder)
    return check_run(folder, BENCH, questions=16)


def test_run_lies_in_the_bucket_verified_and_is_read_from_there(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, url: str, tmp_path: Path
) -> None:
    command = ["run", *arguments(model_endpoint, judge_endpoint), "--output", url]
    result = program(*command, env={"MTBENCH_KO_NO_REPORT": "0"})
    assert result.returncode == 0, result.stderr
    assert f"results: {url}/{BENCH}" in result.stderr
    assert f"report: {url}/{BENCH}/report/index.html" in result.stderr
    assert "is committed and verified: 9 files" in sync(program, url, "status")  # 3, the page, 4 charts, scores.csv
    shown = program("show", "--bench-name", BENCH, "--output", url, "--format", "json")
    assert json.loads(shown.stdout)["models"]["model"]["counts"]["scored"] == 32
    reported = program("report", "--bench-name", BENCH, "--output", url)
    assert reported.stdout == f"report/{BENCH}/index.html\n", reported.stderr
    assert (tmp_path / "report" / BENCH / "index.html").exists()
    assert pulled(program, url, tmp_path / "pulled") == {"turns": 32, "scored": 32}
    manifest = json.loads((tmp_path / "pulled" / BENCH / "manifest.json").read_text())
    assert manifest["runs"][0]["counts"]["scored"] == 32

    # On another machine: nothing is owed. Extended with another model, it is committed anew.
    shutil.rmtree(tmp_path / "spool")
    calls = len(model_endpoint.requests)
    assert program(*command).returncode == 0
    assert len(model_endpoint.requests) == calls
    assert program(*command, "--model-id", "second").returncode == 0
    both = program("show", "--bench-name", BENCH, "--output", url, "--format", "json")
    assert set(json.loads(both.stdout)["models"]) == {"model", "second"}
    assert "is committed and verified: 10 files" in sync(program, url, "status")


def test_killed_run_goes_on_from_the_bucket_alone(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, url: str, tmp_path: Path
) -> None:
    model_endpoint.latency = judge_endpoint.latency = 0.2
    more = ("--output", url, "--parallel", 2, "--judge-parallel", 2, "--flush-seconds", 0.5)
    command = ["run", *arguments(model_endpoint, judge_endpoint), *more]
    process = program.start(*command)
    while process.poll() is None and len(judge_endpoint.requests) < 12:
        time.sleep(0.05)
    kill(process)
    unfinished = program("sync", "status", "--output", url)
    assert (unfinished.returncode, "nothing committed" in unfinished.stderr) == (1, True)
    spool = next((tmp_path / "spool").iterdir())
    saved = {json.dumps(record) for record in read_jsonl(spool / "_state" / "journal.jsonl")}
    shutil.rmtree(tmp_path / "spool")
    calls = len(model_endpoint.requests) + len(judge_endpoint.requests)

    model_endpoint.latency = judge_endpoint.latency = 0
    result = program(*command)
    assert result.returncode == 0, result.stderr
    assert pulled(program, url, tmp_path / "pulled") == {"turns": 32, "scored": 32}
    final = {json.dumps(record) for record in read_jsonl(tmp_path / "pulled" / "_state" / "journal.jsonl")}
    redone = len(saved - final)
    assert len(model_endpoint.requests) + len(judge_endpoint.requests) <= calls + 64 - (len(saved) - redone)
    assert redone <= 12  # what two calls in flight on each side finish in one interval


def test_second_driver_wins_and_the_first_stops_with_exit_code_4(
    program: Program,
    model_endpoint: FakeOpenAI,
    judge_endpoint: FakeOpenAI,
    url: str,
    s3: S3Server,
    bucket: str,
    tmp_path: Path,
) -> None:
    model_endpoint.latency = 3.0
    command = [
        "run", *arguments(model_endpoint, judge_endpoint), "--output", url, "--parallel", 1, "--flush-seconds", 0.5
    ]  # fmt: skip
    first = program.start(*command)
    while first.poll() is None and len(model_endpoint.requests) < 3:
        time.sleep(0.05)
    program.env["MTBENCH_KO_SPOOL"] = str(tmp_path / "other")
    second = program.start(*command)
    generations = {"Bucket": bucket, "Prefix": "runs/one/_state/generations/"}
    while second.poll() is None and s3.client().list_objects_v2(**generations)["KeyCount"] < 2:
        time.sleep(0.1)
    assert first.wait() == 4, program.log()
    model_endpoint.latency = 0
    assert second.wait() == 0, program.log()
    assert "is being written by another run" in program.log()
    assert pulled(program, url, tmp_path / "pulled") == {"turns": 32, "scored": 32}
    sync(program, url, "status")


def test_store_lost_until_the_end_costs_nothing_but_a_push(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, url: str, s3: S3Server, tmp_path: Path
) -> None:
    model_endpoint.latency = 0.3
    process = program.start(
        "run", *arguments(model_endpoint, judge_endpoint), "--output", url, "--parallel", 4, "--flush-seconds", 0.5
    )
    while process.poll() is None and len(model_endpoint.requests) < 6:
        time.sleep(0.05)
    s3.kill()
    try:
        assert process.wait() == 4, program.log()
    finally:
        s3.start()
    assert "does not take anything; going on locally" in program.log()
    assert f"'mtbench-ko sync push --output {url}' on this machine finishes it" in program.log()
    sync(program, url, "push")
    sync(program, url, "status")
    assert pulled(program, url, tmp_path / "pulled") == {"turns": 32, "scored": 32}


def test_told_to_stop_it_sends_the_rest_before_it_exits_75(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, url: str, tmp_path: Path
) -> None:
    model_endpoint.latency = 1.0
    command = ["generate", *arguments(model_endpoint, judge_endpoint)[:8], "--output", url, "--parallel", 4]
    process = program.start(*command, "--flush-seconds", 3600)
    while process.poll() is None and len(model_endpoint.requests) < 6:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75, program.log()
    called = len(model_endpoint.requests)
    shutil.rmtree(tmp_path / "spool")  # the node is gone
    model_endpoint.latency = 0
    assert program(*command).returncode == 0
    assert called < len(model_endpoint.requests) == 32
    sync(program, url, "pull", tmp_path / "pulled")
    runs = json.loads((tmp_path / "pulled" / BENCH / "manifest.json").read_text())["runs"]
    assert len(runs) == 2  # the one that was stopped is told of too


def test_dry_run_and_a_refused_command_leave_the_writer_alone(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, url: str, s3: S3Server, bucket: str
) -> None:
    command = ["run", *arguments(model_endpoint, judge_endpoint), "--output", url]
    assert program(*command, "--dry-run").returncode == 0
    assert program(*command, "--judge-api-key", "env:NOT_SET").returncode == 2
    assert s3.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_answers_laid_into_the_bucket_by_hand_are_judged(
    program: Program, judge_endpoint: FakeOpenAI, model_endpoint: FakeOpenAI, url: str, s3: S3Server, bucket: str
) -> None:
    answer = {"question_id": 1001, "answer_id": "x", "model_id": "m", "tstamp": 1.0}
    body = json.dumps(answer | {"choices": [{"index": 0, "turns": ["하나", "둘"]}]}) + "\n"
    s3.client().put_object(Bucket=bucket, Key=f"runs/one/{BENCH}/model_answer/m.jsonl", Body=body.encode())
    judge = arguments(model_endpoint, judge_endpoint)[6:]
    result = program("judge", "--bench-name", BENCH, *judge, "--output", url)
    assert result.returncode == 0, result.stderr
    assert len(judge_endpoint.requests) == 2
    assert "committed and verified" in sync(program, url, "status")
