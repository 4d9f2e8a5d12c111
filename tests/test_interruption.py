"""Killed, told to stop, or refused: a run saves what is finished and goes on from there, on any Ray cluster."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Program, kill
from fake_openai import FakeOpenAI, Fault, text_reply
from run_checks import BENCH, arguments, check_run, judgments, read_jsonl


def test_killed_at_any_moment_it_goes_on(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    model_endpoint.latency = judge_endpoint.latency = 0.3
    command = ["run", *arguments(model_endpoint, judge_endpoint), "--parallel", 4, "--judge-parallel", 4]
    journal = tmp_path / "outputs" / "_state" / "journal.jsonl"
    for lines in (5, 30):
        process = program.start(*command)
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < lines):
            time.sleep(0.05)
        kill(process)
    with journal.open("ab") as stream:
        stream.write(b'{"kind":"turn","bench":"mt_ben')  # the record it was writing when the power went
    result = program(*command)
    assert result.returncode == 0, result.stderr
    assert check_run(tmp_path / "outputs", BENCH, questions=16) == {"turns": 32, "scored": 32}


@pytest.mark.usefixtures("shared_ray")
def test_signal_saves_what_is_in_flight_and_exits_75(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    model_endpoint.latency = 1.0
    command = ["generate", *arguments(model_endpoint, judge_endpoint)[:8], "--parallel", 4]
    for told in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        before = len(model_endpoint.requests)
        process = program.start(*command)
        while len(model_endpoint.requests) < before + 3 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(told)
        assert process.wait() == 75, program.log()
        saved = read_jsonl(tmp_path / "outputs" / "_state" / "journal.jsonl")
        assert before < len(saved) == len(model_endpoint.requests) < 32  # nothing that was paid for is lost
    model_endpoint.latency = 0
    assert program(*command).returncode == 0
    assert len(model_endpoint.requests) == 32


def test_second_signal_ends_it_at_once_with_what_is_finished_in_the_files(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    command = ["generate", *arguments(model_endpoint, judge_endpoint)[:8], "--parallel", 2, "--grace-seconds", 3600]
    model_endpoint.reply = lambda body, number: text_reply(body, number) if number <= 6 else Fault("silence")
    process = program.start(*command)
    while len(model_endpoint.requests) < 8 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGUSR1)
    assert process.wait() == 75, program.log()
    answers = read_jsonl(tmp_path / "outputs" / BENCH / "model_answer" / "model.jsonl")
    saved = read_jsonl(tmp_path / "outputs" / "_state" / "journal.jsonl")
    assert sum(len(choice["turns"]) for line in answers for choice in line["choices"]) == len(saved) == 6


def test_signal_saves_even_when_a_call_into_ray_never_returns(tmp_path: Path) -> None:
    stuck = """
import asyncio, ctypes, pathlib
from mtbench_ko import signals
signals.STUCK_SECONDS = 0.5
async def work():
    with signals.stop_signals(asyncio.current_task(), lambda: None, 3600, pathlib.Path("saved").touch):
        print("stuck", flush=True)
        mutex = ctypes.create_string_buffer(64)
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
        ctypes.CDLL(None).pthread_mutex_lock(mutex)  # in C, where no Python handler runs
asyncio.run(work())
"""
    with subprocess.Popen([sys.executable, "-c", stuck], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"stuck\n"
        process.terminate()
        assert process.wait() == 75
    assert (tmp_path / "saved").exists()


def test_grace_time_of_a_run_that_has_ended_cancels_nothing(tmp_path: Path) -> None:
    ended = """
import asyncio, os, signal
from mtbench_ko import signals
async def work():
    told = asyncio.Event()
    with signals.stop_signals(asyncio.current_task(), told.set, 0.3, lambda: None):
        os.kill(os.getpid(), signal.SIGTERM)
        await told.wait()
    await asyncio.sleep(1)
asyncio.run(work())
print("whole")
"""
    result = subprocess.run([sys.executable, "-c", ended], text=True, capture_output=True)
    assert (result.stdout, result.returncode) == ("whole\n", 0), result.stderr


@pytest.mark.usefixtures("shared_ray")
def test_full_disk_ends_it_with_exit_code_4_and_room_is_all_it_needs(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, small_disk: Path
) -> None:
    (small_disk / "filler").write_bytes(b"x" * 20_000)
    model_endpoint.reply = lambda body, number: f"{number}" + "가" * 500
    command = ["generate", *arguments(model_endpoint, judge_endpoint)[:8], "--output", small_disk]
    result = program(*command)
    assert result.returncode == 4, result.stderr
    assert "the disk is full" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(small_disk.rglob(".*.new")) == []
    subprocess.run(["mount", "-o", "remount,size=10m", small_disk], check=True)
    assert program(*command).returncode == 0
    assert len(model_endpoint.requests) <= 32 + 32


@pytest.mark.usefixtures("shared_ray")
def test_changed_setting_then_killed_leaves_no_score_of_replaced_answers(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    command = ["run", *arguments(model_endpoint, judge_endpoint), "--parallel", 2]
    assert program(*command).returncode == 0
    changed = [*command, "--max-new-token", 77]
    model_endpoint.latency = judge_endpoint.latency = 0.3
    journal = tmp_path / "outputs" / "_state" / "journal.jsonl"
    process = program.start(*changed)
    while process.poll() is None and journal.read_bytes().count(b"\n") < 64 + 12:
        time.sleep(0.05)
    kill(process)
    model_endpoint.latency = judge_endpoint.latency = 0
    result = program(*changed)  # the files on disk are older than the journal, and still ours
    assert result.returncode == 0, result.stderr
    answers = read_jsonl(tmp_path / "outputs" / BENCH / "model_answer" / "model.jsonl")
    stored = {(line["question_id"], n): t for line in answers for n, t in enumerate(line["choices"][0]["turns"], 1)}
    lines = judgments(tmp_path)
    assert len(lines) == len(stored) == 32
    assert all(stored[line["question_id"], line["turn"]] in line["user_prompt"] for line in lines)

    # New answers alone: the old scores are not shown for them.
    assert program("generate", *command[1:7], "--max-new-token", 78).returncode == 0
    assert judgments(tmp_path) == []
