"""The judge pool under every fault at once: nothing lost, nothing doubled, nothing made up."""

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from conftest import Program
from fake_openai import FakeOpenAI, Fault, completion
from run_checks import answer_shown, rating_of, read_jsonl, write_bench

QUESTIONS, TURNS = 1000, 2
FAULTS = (429, 500, "silence", "truncated", "garbage", "empty", "reset")
SHARE = 0.1  # of the calls


def judge_clients(program: psutil.Process) -> list[psutil.Process]:
    """The judge actors of a run: Ray names their processes after the class."""
    found = []
    for process in program.children(recursive=True):
        try:
            if any("EndpointReplica" in part for part in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_2000_judgments_with_faults_and_two_judge_actors_killed(
    program: Program, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    bench = write_bench(tmp_path, QUESTIONS)
    chance = random.Random(3)
    injected: Counter[Any] = Counter()

    def judge(body: dict[str, Any], number: int) -> Any:
        if chance.random() < SHARE:
            fault = FAULTS[number % len(FAULTS)]
            injected[fault] += 1
            return Fault(fault)
        return completion(body, json.dumps({"explanation": "[[10]]", "rating": rating_of(*answer_shown(body))}))

    judge_endpoint.reply = judge
    judge_endpoint.latency = 0.5
    process = program.start(
        "judge", "--bench-name", bench, "--references", "none", "--judge-model", "judge",
        "--judge-api-base", judge_endpoint.url, "--parallel", 600, "--request-timeout", 5,
    )  # fmt: skip
    running = psutil.Process(process.pid)
    killed: set[int] = set()
    for calls in (400, 1200):
        while process.poll() is None and len(judge_endpoint.requests) < calls:
            time.sleep(0.05)
        actor = next(client for client in judge_clients(running) if client.pid not in killed)
        killed.add(actor.pid)
        actor.send_signal(signal.SIGKILL)
    assert process.wait() == 0, program.log()
    assert len(killed) == 2
    assert set(injected) == set(FAULTS)

    lines = read_jsonl(tmp_path / "outputs" / "long" / "model_judgment" / "judge_single.jsonl")
    scores = {(line["question_id"], line["turn"]): line["score"] for line in lines}
    assert len(lines) == len(scores) == QUESTIONS * TURNS
    assert scores == {(n, t): rating_of(n, t) for n in range(QUESTIONS) for t in (1, 2)}
    journal = read_jsonl(tmp_path / "outputs" / "_state" / "journal.jsonl")
    assert Counter(record["kind"] for record in journal) == {"judgment": QUESTIONS * TURNS}
    print(f"{len(judge_endpoint.requests)} calls, faults: {dict(injected)}")
