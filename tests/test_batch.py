"""The judge's calls through the Batch API: none is lost, none is paid for twice, whatever happens to either side."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from batch_driver import answers, ask, batch_of, paid, texts_of
from fake_batches import FakeBatches, error
from fake_openai import Fault, completion

from mtbench_ko.engine import Completion, CompletionFailed


def test_calls_go_as_one_batch_and_each_gets_its_own_reply(tmp_path: Path, api: FakeBatches) -> None:
    results = ask(tmp_path, api, "가", "나", "다\u2028라")
    assert texts_of(results) == answers("가", "나", "다\u2028라")
    assert len(api.batches) == 1
    assert len({result.batch for result in results if isinstance(result, Completion)}) == 3


def test_equal_calls_are_lines_of_their_own(tmp_path: Path, api: FakeBatches) -> None:
    api.reply = lambda body, number: str(number)
    assert sorted(texts_of(ask(tmp_path, api, "가", "가"))) == ["1", "2"]
    assert len(api.batches) == 1
    assert texts_of(ask(tmp_path, api, "가")) == ["3"]  # both were used: this is a call of its own


def test_reply_that_was_used_is_not_used_again_for_an_equal_call(tmp_path: Path, api: FakeBatches) -> None:
    api.reply = lambda body, number: str(number)
    first, second = ask(tmp_path, api, "가", "가")
    for used, owed in ((first, second), (second, first)):
        journal = tmp_path / "_state" / "journal.jsonl"
        kept = [line for line in journal.read_text().splitlines() if json.loads(line).get("batch") != batch_of(owed)]
        journal.write_text("".join(f"{line}\n" for line in kept))
        (again,) = ask(tmp_path, api, "가")
        assert batch_of(again) == batch_of(owed) != batch_of(used)
    assert len(api.batches) == 1


@pytest.mark.parametrize("end", ["completed", "expired"])
def test_lines_that_fail_are_asked_again_and_the_others_not(tmp_path: Path, api: FakeBatches, end: str) -> None:
    faults = {"가": Fault(500), "나": Fault(429), "다": Fault("garbage"), "라": Fault("lost"), "마": error(408, "slow")}

    def once(body: dict[str, Any], number: int) -> Any:
        text = body["messages"][0]["content"]
        return faults.pop(text, None) or f"{text}에 대한 답"

    api.reply = once
    api.ends = [end]
    asked = [*faults, "바", "사", "아"]
    assert texts_of(ask(tmp_path, api, *asked)) == answers(*asked)
    assert not faults
    assert paid(api) == dict.fromkeys(asked, 1)


def test_line_that_always_fails_is_a_failure_after_a_few_times(tmp_path: Path, api: FakeBatches) -> None:
    api.reply = lambda body, number: Fault(500) if body["messages"][0]["content"] == "가" else "답"
    failed, done = ask(tmp_path, api, "가", "나", tries=3)
    assert isinstance(failed, CompletionFailed)
    assert failed.failure.reason == "api_error"
    assert isinstance(done, Completion)
    assert len(api.requests) == 3 + 1


def test_reply_that_is_no_completion_is_asked_again_and_counts(tmp_path: Path, api: FakeBatches) -> None:
    replies = {1: completion({"model": "m"}, None), 2: web.json_response({"choices": []})}
    api.reply = lambda body, number: replies.get(number, "답")
    (result,) = ask(tmp_path, api, "가")
    assert isinstance(result, Completion)
    assert result.usage == {"prompt_tokens": 20, "completion_tokens": 10}  # the empty one was paid for


def test_refused_parameters_are_left_out_also_by_the_next_run(tmp_path: Path, api: FakeBatches) -> None:
    def refuse(body: dict[str, Any], number: int) -> Any:
        for name in ("temperature", "response_format"):
            if name in body:
                return error(400, f"Unsupported parameter: '{name}' is not supported", "unsupported_parameter", name)
        return "답"

    api.reply = refuse
    for result in ask(tmp_path, api, "가", "나"):
        assert isinstance(result, Completion)
        assert not result.structured
        assert set(result.sampling) == {"top_p", "max_tokens", "top_k"}
    calls = len(api.requests)
    assert calls == 2 * 3
    ask(tmp_path, api, "다")
    assert len(api.requests) == calls + 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (error(400, "This model's maximum context length is 8 tokens"), "context_overflow"),
        (error(400, "no"), "bad_request"),
        (error(403, "Your input was flagged"), "forbidden"),
    ],
)
def test_refused_line_ends_its_item_alone(tmp_path: Path, api: FakeBatches, reply: web.Response, reason: str) -> None:
    api.reply = lambda body, number: reply if body["messages"][0]["content"] == "가" else "답"
    failed, done = ask(tmp_path, api, "가", "나")
    assert isinstance(failed, CompletionFailed)
    assert failed.failure.reason == reason
    assert isinstance(done, Completion)
    assert len(api.requests) == 2
