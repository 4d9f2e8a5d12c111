"""What we need of a chat completion, of servers that send what they like.

Source: https://platform.openai.com/docs/api-reference/chat/object; vLLM adds `reasoning_content` or `reasoning`.
"""

import json
import math
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from mtbench_ko.engine.api_errors import CONTENT_FILTER
from mtbench_ko.engine.base import COUNTED, DETAILED, Completion, Failure
from mtbench_ko.engine.parameters import sent_sampling
from mtbench_ko.engine.thinking import split_thinking
from mtbench_ko.lines import describe, well_formed_json


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> dict[str, int]:
        """The details beside the sums; 0 for what is no number."""
        value = value if isinstance(value, dict) else {}
        found = {name: value.get(name) for name in COUNTED}
        for name, place in zip(DETAILED, ("prompt_tokens_details", "completion_tokens_details"), strict=True):
            details = value.get(place)
            found[name] = details.get(name) if isinstance(details, dict) else None
        return {name: _count(count) for name, count in found.items()}


def _count(value: Any) -> int:
    number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return max(0, int(value)) if number else 0


class _Part(BaseModel):
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None

    @property
    def text(self) -> str | None:
        return "".join(part.text for part in self.content) if isinstance(self.content, list) else self.content


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: _Usage = _Usage()


def read_reply(text: str, model: str, body: dict[str, Any]) -> Completion | Failure:
    """The completion in the body of a 200 to a request for `model` with the fields `body`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Failure("malformed_reply", f"a 200 that is not JSON: {error}")
    return read_completion(value, model, body)


def read_completion(value: Any, model: str, body: dict[str, Any]) -> Completion | Failure:
    """The same of a body that is JSON."""
    try:
        value = well_formed_json(value)
        reply = _Reply.model_validate(value)
    except ValidationError as error:
        told = value.get("error") if isinstance(value, dict) else None
        why = json.dumps(told, ensure_ascii=False) if told else describe(error)
        return Failure("malformed_reply", f"a 200 that is no completion: {why}")
    except RecursionError:
        return Failure("malformed_reply", "a 200 that is nested too deeply")
    message, finish = reply.choices[0].message, reply.choices[0].finish_reason
    said, thinking = message.text, message.reasoning_content or message.reasoning
    if not said and message.refusal:
        said, finish = message.refusal, "refusal"
    usage = reply.usage.model_dump()
    if said is None and not thinking and finish not in ("length", CONTENT_FILTER):
        spent = {name: count for name, count in usage.items() if count or name in COUNTED}
        return Failure("empty_reply", "the endpoint sent neither text nor thinking", usage=spent)
    said, inline = split_thinking(said or "")
    return Completion(
        text=said,
        reasoning=thinking or inline,
        finish_reason=finish,
        sampling=sent_sampling(body),
        model=reply.model or model,
        structured="response_format" in body,
        **usage,
    )
