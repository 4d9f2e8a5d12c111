"""`judge --judge-batch`: killed at any moment, and with all that the Batch API does to a batch, each item once."""

import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Program, kill, wait_for_lines
from fake_batches import FakeBatches, serve_batches
from fake_openai import Fault
from run_checks import answer_shown, rating_of, read_jsonl, write_bench

pytestmark = pytest.mark.usefixtures("shared_ray")
QUESTIONS = 12
ITEMS = 2 * QUESTIONS
HANDED_OVER = 2  # lines of the journal: a batch is asked for, and is there


def judge(body: dict[str, Any], number: int) -> str:
    return json.dumps({"explanation": "[[10]]", "rating": rating_of(*answer_shown(body))})


@pytest.fixture
def api() -> Iterator[FakeBatches]:
    with serve_batches(FakeBatches(reply=judge)) as fake:
        yield fake


@pytest.fixture
def command(tmp_path: Path, api: FakeBatches) -> list[object]:
    return [
        "judge", "--bench-name", write_bench(tmp_path, QUESTIONS), "--references", "none", "--judge-model", "judge",
        "--judge-api-base", api.url, "--judge-batch", "--grace-seconds", 600,
    ]  # fmt: skip


def check(folder: Path, api: FakeBatches) -> list[dict[str, Any]]:
    """Every item has its own score, once, and each reply that was paid for was used once. Returns the journal."""
    lines = read_jsonl(folder / "outputs" / "long" / "model_judgment" / "judge_single.jsonl")
    scores = {(line["question_id"], line["turn"]): line["score"] for line in lines}
    assert len(lines) == ITEMS
    assert scores == {(n, t): rating_of(n, t) for n in range(QUESTIONS) for t in (1, 2)}
    journal = read_jsonl(folder / "outputs" / "_state" / "journal.jsonl")
    used = [record["batch"] for record in journal if record["kind"] in ("judgment", "attempt")]
    assert len(set(used)) == len(used) == api.paid.total()
    return journal


def wait_until(process: subprocess.Popen[str], there: Callable[[], object], program: Program) -> None:
    while process.poll() is None and not there():
        time.sleep(0.05)
    assert process.poll() is None, program.log()


def test_killed_at_every_stage_of_a_batch_it_pays_for_each_item_once(
    program: Program, api: FakeBatches, command: list[object], tmp_path: Path
) -> None:
    journal = tmp_path / "outputs" / "_state" / "journal.jsonl"
    api.creating, api.hold = ["silence"], True
    process = program.start(*command)  # the batch is made, and its id does not arrive
    wait_until(process, lambda: api.batches, program)
    kill(process)
    assert [record["batch_id"] for record in read_jsonl(journal)] == [None]

    process = program.start(*command)  # it is found, and waited for
    wait_for_lines(program, process, journal, HANDED_OVER)
    kill(process)

    (tmp_path / "program.log").unlink()
    process = program.start(*command)
    wait_until(process, lambda: "is ready" in program.log(), program)
    time.sleep(1)  # its calls are in flight
    process.send_signal(signal.SIGTERM)  # ten minutes would be time to finish: it does not wait for them
    assert process.wait() == 75, program.log()

    api.hold, api.silent_files = False, True
    process = program.start(*command)  # it is over, and is being fetched
    wait_until(process, lambda: api.downloads, program)
    kill(process)

    api.silent_files = False
    result = program(*command)
    assert result.returncode == 0, result.stderr
    records = check(tmp_path, api)
    assert (len(api.batches), api.paid.total()) == (1, ITEMS)
    assert Counter(record["kind"] for record in records) == {"batch": 3, "judgment": ITEMS}

    shutil.rmtree(tmp_path / "outputs" / "long" / "model_judgment")  # a run that was killed has not written it yet
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: HANDED_OVER + 1 + ITEMS // 2]))  # as if killed between two judgments
    assert program(*command).returncode == 0
    check(tmp_path, api)
    assert (len(api.batches), api.paid.total()) == (1, ITEMS)


def test_expired_failed_and_unreadable_lines_are_asked_again_until_all_are_scored(
    program: Program, api: FakeBatches, command: list[object], tmp_path: Path
) -> None:
    faults = [Fault(500), Fault(429), Fault("garbage"), Fault("lost"), "아직 모르겠습니다."]
    api.ends = ["expired", "completed"]
    api.reply = lambda body, number: faults.pop(0) if faults and number % 2 else judge(body, number)
    result = program(*command)
    assert result.returncode == 0, result.stderr
    assert not faults
    journal = check(tmp_path, api)
    assert Counter(record["kind"] for record in journal if record["kind"] != "batch") == {
        "judgment": ITEMS, "attempt": 1,
    }  # fmt: skip
    assert api.paid.total() == ITEMS + 1
    assert "expired" in result.stderr
    assert "Unclosed" not in result.stderr

    manifest = json.loads((tmp_path / "outputs" / "long" / "manifest.json").read_text())
    (engine,) = manifest["runs"][-1]["engines"]["judge:judge"]["replicas"]
    assert engine["details"]["batches"] == list(api.batches)


def test_refused_key_and_failed_batch_end_with_4_and_say_why(
    program: Program, api: FakeBatches, command: list[object], tmp_path: Path
) -> None:
    api.ends = [("model_not_found", "The model `judge` is not supported by the Batch API")]
    result = program(*command)
    assert result.returncode == 4, result.stderr
    assert "not supported by the Batch API" in result.stderr
    wrong = program(*command, "--judge-api-key", "env:KEY", env={"KEY": "sk-secret"})
    assert wrong.returncode == 4, wrong.stderr
    assert "wrong_key" in wrong.stderr
    assert "sk-secret" not in wrong.stderr
    for text in (result.stderr, wrong.stderr):
        assert "Traceback" not in text
        assert "Unclosed" not in text

    local = program("judge", "--judge-batch", "--judge-model-path", "x")
    assert local.returncode == 2
    assert "--judge-batch" in local.stderr
