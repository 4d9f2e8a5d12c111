"""The journal keeps what was finished; FastChat's files are views of it."""

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from mtbench_ko.bench import read_lines
from mtbench_ko.errors import MtBenchError, Stopped, UsageError
from mtbench_ko.lines import Answer
from mtbench_ko.records import FailureRecord, TurnRecord
from mtbench_ko.store import RunStore, write_atomically
from mtbench_ko.store.journal import read_journal


def turn(question: int = 1, number: int = 1, key: str = "k", text: str = "답", **changes: object) -> TurnRecord:
    fields = {"messages_sha256": "m", "finish_reason": "stop", "tstamp": 1.0} | changes
    return TurnRecord(bench="b", question_id=question, turn=number, key=key, model_id="org/m", text=text, **fields)


def answers(output: Path) -> dict[int, list[str]]:
    path = output / "b" / "model_answer" / "org__m.jsonl"
    return {line.question_id: line.choices[0].turns for _, line in read_lines(path, Answer)}


def test_records_outlive_the_store(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(turn(text="한글\n\u2028줄"))
    store.close()
    again = RunStore(tmp_path)
    assert [record.text for record in again.turns()] == ["한글\n\u2028줄"]
    again.close()


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_torn_last_line_is_dropped_and_the_rest_kept(tmp_path: Path, kept: int) -> None:
    store = RunStore(tmp_path)
    store.append(turn(1))
    store.append(turn(2))
    store.close()
    path = tmp_path / "_state" / "journal.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:kept])
    again = RunStore(tmp_path)
    assert [record.question_id for record in again.turns()] == [1]
    again.append(turn(2, text="다시"))
    again.close()
    assert len(path.read_bytes().splitlines()) == 2


def test_damaged_line_in_the_middle_is_named_and_nothing_changed(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(turn(1))
    store.append(turn(2))
    store.close()
    path = tmp_path / "_state" / "journal.jsonl"
    damaged = path.read_bytes().replace(b'"kind":"turn"', b'"kind":"turm"', 1)
    path.write_bytes(damaged)
    with pytest.raises(MtBenchError, match=r"journal\.jsonl:1"):
        RunStore(tmp_path)
    assert path.read_bytes() == damaged


def test_new_record_replaces_what_stood_in_its_slot(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(turn(1, key="old", text="옛 답"))
    store.append(turn(1, number=2, key="old", text="옛 둘째 답"))
    store.append(turn(1, key="new", text="새 답"))
    store.write_views()
    assert answers(tmp_path) == {1: ["새 답"]}  # the second turn belongs to a conversation that is gone
    store.close()


def test_file_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(turn(1))
    store.write_views()
    path = tmp_path / "b" / "model_answer" / "org__m.jsonl"
    theirs = path.read_text().replace('"key": ["k"]', '"key": null')
    path.write_text(theirs)
    store.write_views()
    assert path.read_text() == theirs
    store.write_views(replace=[path])
    assert path.read_text() != theirs
    store.close()


def test_failure_is_listed_and_never_an_answer(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(turn(1))
    failure = FailureRecord(
        bench="b", question_id=2, turn=1, key="k", stage="answer", model="org/m", reason="context_overflow",
        failed_slot=list(turn(2).slot), final=True,
    )  # fmt: skip
    store.append(failure)
    store.write_views()
    assert answers(tmp_path) == {1: ["답"]}
    listed = json.loads((tmp_path / "_state" / "failures.jsonl").read_text())
    assert (listed["question_id"], listed["reason"]) == (2, "context_overflow")
    store.append(turn(2))
    store.write_views()
    assert (tmp_path / "_state" / "failures.jsonl").read_text() == ""
    assert answers(tmp_path) == {1: ["답"], 2: ["답"]}
    store.close()


def test_full_disk_stops_the_run_and_tears_no_record(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 8192)
    store = RunStore(small_disk)
    saved = 0
    with pytest.raises(Stopped, match="disk is full"):
        for saved in range(1000):
            store.append(turn(saved, text="가" * 1000))
    assert saved > 5
    journal = small_disk / "_state" / "journal.jsonl"
    assert [record.question_id for _, record in read_journal(journal)] == list(range(saved))
    store.close()
    assert journal.read_bytes().endswith(b"\n")
    (small_disk / "filler").unlink()
    again = RunStore(small_disk)  # once there is room again it goes on
    again.append(turn(saved))
    again.close()
    assert [record.question_id for _, record in read_journal(journal)] == list(range(saved + 1))


def test_file_that_does_not_fit_leaves_the_old_one_and_no_half(small_disk: Path) -> None:
    write_atomically(small_disk / "file", "old")
    with pytest.raises(OSError, match="No space left"):
        write_atomically(small_disk / "file", b"x" * (1 << 17))
    assert {path.name: path.read_text() for path in small_disk.iterdir()} == {"file": "old"}


def test_output_that_cannot_be_written_or_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"{tmp_path}/file/out: cannot be written: Not a directory"):
        RunStore(tmp_path / "file" / "out")

    def without_locks(stream: object, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(UsageError, match=f"{tmp_path}/out/_state/lock: this file system has no locks"):
        RunStore(tmp_path / "out")
