"""One client of an endpoint, in this process: which reply becomes what."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from fake_openai import FakeOpenAI, Fault, Reply, completion

from mtbench_ko.engine.api_errors import classify, status_error
from mtbench_ko.engine.base import Completion, Failure, Sampling
from mtbench_ko.engine.endpoint import EndpointReplica, EndpointSpec
from mtbench_ko.engine.parameters import Parameters
from mtbench_ko.judge.verdict import FORMATS

WARM = Sampling(temperature=0.7, max_tokens=100)


def ask(fake: FakeOpenAI, times: int = 1, **settings: Any) -> list[Completion | Failure]:
    """Ask the same question `times` times with one client."""

    async def go() -> list[Completion | Failure]:
        replica = EndpointReplica(EndpointSpec("m", fake.url, "sk-secret", 10, **settings))
        await replica.start()
        replies = [
            await replica.complete([{"role": "user", "content": "temperature?"}], WARM, FORMATS["[[rating]]"].schema)
            for _ in range(times)
        ]
        await replica.stop()
        return replies

    return asyncio.run(go())


def refuse(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> web.Response:
    return web.json_response({"error": {"message": message, "param": param, "code": code}}, status=status)


@pytest.mark.parametrize(
    ("parameter", "message", "param"),
    [
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'.",
            "max_tokens",
        ),
        ("temperature", "Unsupported value: 'temperature' does not support 0.7 with this model.", "temperature"),
        ("top_p", "`temperature` and `top_p` cannot both be specified for this model. Please use only one.", None),
        ("response_format", "Invalid schema for response_format 'verdict': In context=(), 'x' is not permitted.", None),
        (
            "top_k",
            "[{'type': 'extra_forbidden', 'loc': ('body', 'top_k'), 'msg': 'Extra inputs are not permitted'}]",
            None,
        ),
    ],
)
def test_refused_parameter_is_left_out_from_then_on(
    model_endpoint: FakeOpenAI, parameter: str, message: str, param: str | None
) -> None:
    model_endpoint.reply = lambda body, number: refuse(message, param) if parameter in body else "답"
    replies = ask(model_endpoint, times=2)
    assert [type(reply) for reply in replies] == [Completion, Completion]
    assert [parameter in request for request in model_endpoint.requests] == [True, False, False]
    assert all(parameter not in reply.sampling for reply in replies)  # what was sent is what is recorded
    kept = {"max_tokens", "temperature", "top_p", "top_k", "response_format"} - {parameter}
    assert kept <= set(model_endpoint.requests[-1])


def test_parameter_that_is_merely_echoed_is_kept(model_endpoint: FakeOpenAI) -> None:
    model_endpoint.reply = lambda body, number: refuse("bad message in {'temperature': 0.7, 'max_tokens': 100}")
    (reply,) = ask(model_endpoint)
    assert isinstance(reply, Failure)
    assert (reply.reason, len(model_endpoint.requests)) == ("bad_request", 1)


@pytest.mark.parametrize(
    ("status", "message", "code", "reason", "scope"),
    [
        (401, "Incorrect API key provided: sk-secret", "invalid_api_key", "wrong_key", "run"),
        (403, "no access", None, "wrong_key", "run"),
        (404, "The model `m` does not exist", "model_not_found", "unknown_model", "run"),
        (429, "You exceeded your current quota", "insufficient_quota", "quota", "run"),
        (402, "Insufficient Balance", None, "quota", "run"),
        (403, "Your input was flagged", None, "forbidden", "item"),
        (429, "slow down", None, "rate_limited", "item"),
        (400, "This model's maximum context length is 8 tokens", None, "context_overflow", "item"),
        (500, "boom", None, "api_error", "item"),
    ],
)
def test_error_ends_the_item_or_the_run_and_names_its_reason_without_the_key(
    model_endpoint: FakeOpenAI, status: int, message: str, code: str | None, reason: str, scope: str
) -> None:
    model_endpoint.reply = lambda body, number: refuse(message, code=code, status=status)
    (reply,) = ask(model_endpoint, tries=1, deadline=1.0)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.scope) == (reason, scope)
    assert "sk-secret" not in reply.detail


@pytest.mark.parametrize("before", range(1940, 2000, 4))
def test_key_in_an_error_is_masked_where_its_text_is_cut_too(before: int) -> None:
    told = {"error": {"message": "x" * before + "sk-secret-0123456789"}}
    spec = EndpointSpec("m", "http://127.0.0.1:1/v1", "sk-secret-0123456789", 1)
    detail = spec.clean(classify(status_error(401, told))).detail
    assert len(detail) <= 2000
    assert "sk-" not in detail


def test_silence_is_a_timeout_and_is_tried_again(model_endpoint: FakeOpenAI) -> None:
    model_endpoint.faults = ["silence"]
    (reply,) = ask(model_endpoint, timeout=0.5, tries=2)
    assert isinstance(reply, Completion)
    model_endpoint.faults = ["silence", "silence"]
    (reply,) = ask(model_endpoint, timeout=0.5, tries=2)
    assert isinstance(reply, Failure)
    assert reply.reason == "timeout"


@pytest.mark.parametrize(
    ("reply", "finish_reason", "text"),
    [
        (lambda body, number: completion(body, None, "content_filter"), "content_filter", ""),
        (lambda body, number: refuse("filtered", code="content_filter"), "content_filter", ""),  # as Azure says it
        (lambda body, number: completion(body, None, refusal="못 하겠습니다"), "refusal", "못 하겠습니다"),
        (lambda body, number: completion(body, None, "length"), "length", ""),  # all tokens went into thinking
    ],
)
def test_filter_refusal_and_length_are_told_apart(
    model_endpoint: FakeOpenAI, reply: Reply, finish_reason: str, text: str
) -> None:
    model_endpoint.reply = reply
    (completed,) = ask(model_endpoint)
    assert isinstance(completed, Completion)
    assert (completed.finish_reason, completed.text) == (finish_reason, text)


@pytest.mark.parametrize(("fault", "reason"), [("garbage", "malformed_reply"), ("empty", "empty_reply")])
def test_200_without_a_completion_is_asked_again_a_few_times(
    model_endpoint: FakeOpenAI, fault: str, reason: str
) -> None:
    model_endpoint.faults = [fault, fault]
    (reply,) = ask(model_endpoint)
    assert isinstance(reply, Completion)
    model_endpoint.faults = [fault] * 10
    (reply,) = ask(model_endpoint)
    assert isinstance(reply, Failure)
    assert (reply.reason, len(model_endpoint.requests)) == (reason, 3 + 4)


def test_exhausted_quota_is_told_at_once_and_a_busy_server_waited_for(model_endpoint: FakeOpenAI) -> None:
    model_endpoint.reply = lambda body, number: refuse("no money", code="insufficient_quota", status=429)
    (reply,) = ask(model_endpoint)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.scope, len(model_endpoint.requests)) == ("quota", "run", 1)

    model_endpoint.reply = lambda body, number: web.json_response({}, status=429, headers={"Retry-After": "150"})
    (reply,) = ask(model_endpoint, deadline=1.0)  # the SDK would give up on a wait of more than 120 s
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.scope, len(model_endpoint.requests)) == ("rate_limited", "item", 2)
    assert "asks to wait 150 s" in reply.detail  # longer than there is time: no slot is held for it
    model_endpoint.reply = lambda body, number: Fault("silence")
    (reply,) = ask(model_endpoint, deadline=1.0)
    assert isinstance(reply, Failure)
    assert (reply.reason, "no reply within 1 s" in reply.detail) == ("timeout", True)


@pytest.mark.parametrize(
    ("model", "base_url", "left_out"),
    [
        ("gpt-4o", None, set()),
        ("o3-mini", None, {"max_tokens", "temperature", "top_p"}),
        ("gpt-5.1", "https://x.openai.azure.com/openai/v1", {"max_tokens", "temperature", "top_p"}),
        ("claude-sonnet-4-5-20250929", "https://api.anthropic.com/v1/", {"top_p"}),
        ("gpt-5.1", "http://127.0.0.1:8000/v1", set()),  # a server of one's own may call anything so
    ],
)
def test_known_models_are_not_sent_what_they_refuse(model: str, base_url: str | None, left_out: set[str]) -> None:
    body = Parameters(model, base_url).body(WARM, None)
    names = {"max_tokens", "temperature", "top_p"}
    assert names - set(body) == left_out
    assert ("max_completion_tokens" in body) == ("max_tokens" in left_out)


def test_missing_token_counts_are_zero(model_endpoint: FakeOpenAI) -> None:
    def odd(body: dict[str, Any], number: int) -> web.Response:
        choice = {"index": 0, "message": {"role": "assistant", "content": "답"}, "finish_reason": "stop"}
        return web.json_response(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
             "usage": {"total_tokens": 3}}
        )  # fmt: skip

    model_endpoint.reply = odd
    (reply,) = ask(model_endpoint)
    assert isinstance(reply, Completion)
    assert reply.usage == {"prompt_tokens": 0, "completion_tokens": 0}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model": 5, "usage": "none"}, None),
        ({"usage": None}, "답"),
        ({"usage": {"prompt_tokens": 1.5, "completion_tokens": "2"}}, "답"),
        ({"choices": None, "error": {"message": "overloaded"}}, None),
        ({"choices": [None]}, None),
        ({"choices": {"0": "답"}}, None),
        ({"choices": [{"message": {"content": ["답"]}}]}, None),
        (
            {"choices": [{"message": {"content": [{"type": "text", "text": "평점: "}, {"text": "[[8]]"}]}}]},
            "평점: [[8]]",
        ),
        ({"choices": [{"message": {"content": "\ud83d 반쪽"}, "finish_reason": "stop"}]}, "\ufffd 반쪽"),
    ],
)
def test_odd_200_is_read_or_named_and_never_ends_the_run(
    model_endpoint: FakeOpenAI, changes: dict[str, Any], text: str | None
) -> None:
    whole = {"id": "x", "model": "m", "choices": [{"message": {"content": "답"}, "finish_reason": "stop"}]}
    model_endpoint.reply = lambda body, number: web.json_response(whole | changes)
    (reply,) = ask(model_endpoint)
    if text is None:
        assert isinstance(reply, Failure)
        assert reply.reason == "malformed_reply"
        assert "error" not in changes or "overloaded" in reply.detail
    else:
        assert isinstance(reply, Completion)
        assert reply.text == text


def test_half_a_character_in_an_error_can_be_written_down(model_endpoint: FakeOpenAI) -> None:
    model_endpoint.reply = lambda body, number: refuse("bad \ud83d" + "x" * 10_000)
    (reply,) = ask(model_endpoint)
    assert isinstance(reply, Failure)
    assert reply.detail.encode("utf-8")
    assert len(reply.detail) <= 2000


@pytest.mark.parametrize(
    ("message", "param", "code", "calls"),
    [
        ("top_k must be greater than or equal to 0, got -1", None, None, 2),  # ours: it can go
        ("decimal above maximum value, expected a value <= 2", "temperature", "decimal_above_max_value", 1),
    ],
)
def test_value_of_the_users_is_never_dropped_silently(
    model_endpoint: FakeOpenAI, message: str, param: str | None, code: str | None, calls: int
) -> None:
    refused = "top_k" if param is None else param
    model_endpoint.reply = lambda body, number: refuse(message, param, code) if refused in body else "답"
    ask(model_endpoint)
    assert len(model_endpoint.requests) == calls
