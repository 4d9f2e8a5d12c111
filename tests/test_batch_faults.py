"""Batches when a driver is killed and when the API fails: found again, never made twice, ended in words."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from batch_driver import Result, Run, answers, ask, attempts, paid, run, texts_of
from fake_batches import FakeBatches, error

from mtbench_ko.engine import Completion, CompletionFailed
from mtbench_ko.errors import Stopped
from mtbench_ko.store.output import LocalOutput


def test_killed_while_a_batch_is_at_work_it_is_taken_up(tmp_path: Path, api: FakeBatches) -> None:
    asked = ["가", "나", "다"]

    async def until_it_is_there(this: Run) -> None:
        asking = asyncio.create_task(this.ask_all(*asked))
        await this.handed_over.wait()
        asking.cancel()

    api.hold = True
    run(tmp_path, api, until_it_is_there)
    run(tmp_path, api, until_it_is_there)  # killed again while it waits
    api.hold = False
    assert texts_of(ask(tmp_path, api, *asked, "라")) == answers(*asked, "라")
    assert paid(api) == dict.fromkeys([*asked, "라"], 1)


def test_killed_after_some_replies_became_records_the_others_are_fetched_again(
    tmp_path: Path, api: FakeBatches
) -> None:
    asked = [str(number) for number in range(10)]
    ask(tmp_path, api, *asked)
    journal = tmp_path / "_state" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["kind"] for line in lines] == ["batch"] * 3 + ["attempt"] * 10
    for kept in (6, 2):  # after three records; before it was known that the batch was fetched
        journal.write_bytes(b"".join(lines[:kept]))
        owed = asked[:]
        for line in lines[3:kept]:
            owed.remove(json.loads(line)["key"])
        assert texts_of(ask(tmp_path, api, *owed)) == answers(*owed)
    assert paid(api) == dict.fromkeys(asked, 1)
    assert len(api.batches) == 1


@pytest.mark.parametrize("there", [True, False, "later"])
def test_killed_between_intent_and_batch_it_is_found_if_there_is_one(
    tmp_path: Path, api: FakeBatches, there: bool | str
) -> None:
    ask(tmp_path, api, "가")
    journal = tmp_path / "_state" / "journal.jsonl"
    intent = json.loads(journal.read_bytes().splitlines()[0])
    journal.write_text(json.dumps(intent | {"tstamp": time.time()}) + "\n")
    for number in range(5):  # other batches of the same key, before and after
        api.batches[f"other_{number}"] = api.batches["batch_0"] | {"id": f"other_{number}", "metadata": None}
    if not there:
        del api.batches["batch_0"]
    api.empty_lists = 2 if there == "later" else 0  # to see whether it answers, and to find it
    assert texts_of(ask(tmp_path, api, "가", poll=(0.02, 3.0 if there == "later" else 0.1))) == answers("가")
    assert paid(api) == {"가": 1 if there else 2}
    downloads = api.downloads
    assert texts_of(ask(tmp_path, api, "나")) == answers("나")  # what is done is not fetched again
    assert api.downloads == downloads + 1


def test_batch_whose_creation_got_no_reply_is_found_and_not_made_twice(tmp_path: Path, api: FakeBatches) -> None:
    api.creating = ["lost"]
    assert texts_of(ask(tmp_path, api, "가")) == answers("가")
    assert paid(api) == {"가": 1}


def test_input_file_that_is_not_seen_at_once_is_waited_for(tmp_path: Path, api: FakeBatches) -> None:
    api.creating = [error(400, "Cannot find file file-0, or project p does not have access to it.", None, "file_id")]
    assert texts_of(ask(tmp_path, api, "가")) == answers("가")


def test_too_many_tokens_in_the_queue_make_smaller_batches(tmp_path: Path, api: FakeBatches) -> None:
    api.most_lines = 3
    asked = [str(number) for number in range(10)]
    assert texts_of(ask(tmp_path, api, *asked)) == answers(*asked)
    assert paid(api) == dict.fromkeys(asked, 1)

    api.most_lines = 0
    (failed,) = ask(tmp_path, api, "가")
    assert isinstance(failed, CompletionFailed)
    assert failed.failure.reason == "rate_limited"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (("model_not_found", "The model `judge` is not supported by the Batch API"), "not supported by the Batch API"),
        (("billing_hard_limit_reached", "Billing hard limit has been reached."), "hard limit"),
        ("cancelled", "was cancelled"),
    ],
)
def test_batch_that_fails_as_a_whole_ends_the_run_in_words_and_is_asked_anew_by_the_next(
    tmp_path: Path, api: FakeBatches, end: Any, words: str
) -> None:
    api.ends = [end]
    first, second = ask(tmp_path, api, "가", "나")
    assert isinstance(first, Stopped)
    assert words in str(first)
    owed = ["가"] if isinstance(second, Completion) else ["가", "나"]
    assert isinstance(second, Completion) == (end == "cancelled")  # what it had done is kept
    assert texts_of(ask(tmp_path, api, *owed)) == answers(*owed)
    assert paid(api) == {"가": 1, "나": 1}


def test_exhausted_quota_ends_the_run_after_what_was_done_is_kept(tmp_path: Path, api: FakeBatches) -> None:
    broke = error(429, "You exceeded your current quota", "insufficient_quota")
    api.reply = lambda body, number: broke if number == 1 else "답"

    async def ask_as_a_run_does(this: Run) -> None:
        with pytest.raises(ExceptionGroup) as raised:
            async with asyncio.TaskGroup() as group:  # the first error cancels the others
                for text in ("가", "나", "다"):
                    group.create_task(this.ask(text))
        assert raised.group_contains(Stopped, match="quota")

    run(tmp_path, api, ask_as_a_run_does)
    assert attempts(tmp_path) == ["나", "다"]
    assert len(api.batches) == 1


def test_wrong_key_and_missing_batch_api_end_the_run_at_once(tmp_path: Path, api: FakeBatches) -> None:
    wrong = FakeBatches(url=api.url, key="sk-secret")
    with pytest.raises(Stopped, match="wrong_key") as raised:
        ask(tmp_path, wrong, "가")
    assert "sk-secret" not in str(raised.value)
    with pytest.raises(Stopped, match="has no Batch API"):
        ask(tmp_path, FakeBatches(url=api.url.removesuffix("v1")), "가")


def test_batch_of_another_project_is_never_asked_again_unasked(tmp_path: Path, api: FakeBatches) -> None:
    ask(tmp_path, api, "가")
    journal = tmp_path / "_state" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    api.batches.clear()
    (failed,) = ask(tmp_path, api, "가")
    assert isinstance(failed, Stopped)
    assert "batch_0" in str(failed)
    assert not api.batches


def test_output_that_the_api_has_thrown_away_is_asked_again_once(tmp_path: Path, api: FakeBatches) -> None:
    ask(tmp_path, api, "가")
    journal = tmp_path / "_state" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:3]))
    api.files.clear()
    assert texts_of(ask(tmp_path, api, "가")) == answers("가")
    assert len(api.batches) == 2


def test_api_that_is_away_for_long_fails_the_items_and_loses_no_batch(tmp_path: Path, api: FakeBatches) -> None:
    async def lose(this: Run) -> list[Result]:
        asking = asyncio.create_task(this.ask_all("가"))
        await this.handed_over.wait()
        api.down = True
        return await asking

    api.hold = True
    (failed,) = run(tmp_path, api, lose, patience=0.0)
    assert isinstance(failed, CompletionFailed)
    assert failed.failure.reason == "connection"
    api.hold = api.down = False
    assert texts_of(ask(tmp_path, api, "가")) == answers("가")
    assert paid(api) == {"가": 1}


def test_batch_is_on_disk_and_in_the_bucket_before_it_is_asked_for(tmp_path: Path, api: FakeBatches) -> None:
    seen: list[tuple[int, list[str | None]]] = []

    class Bucket(LocalOutput):
        def try_to_send(self) -> None:
            lines = [json.loads(line) for line in (tmp_path / "_state" / "journal.jsonl").open()]
            seen.append((len(api.batches), [line["batch_id"] for line in lines if line["kind"] == "batch"]))

    ask(tmp_path, api, "가", output=Bucket(tmp_path))
    assert seen == [(0, [None]), (1, [None, "batch_0"]), (1, [None, "batch_0", "batch_0"])]


def test_let_go_ends_calls_at_once_as_cancelled(tmp_path: Path, api: FakeBatches) -> None:
    async def leave(this: Run) -> list[Result]:
        asking = [asyncio.create_task(this.ask(text)) for text in ("가", "나")]
        await this.handed_over.wait()
        asking.append(asyncio.create_task(this.ask("다")))
        await asyncio.sleep(0)
        this.engine.let_go()
        return await asyncio.gather(*asking, this.ask("라"), return_exceptions=True)

    api.hold = True
    assert [type(result) for result in run(tmp_path, api, leave)] == [asyncio.CancelledError] * 4
