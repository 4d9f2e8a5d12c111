"""Which sampling parameters an endpoint takes: what is known of hosted models, and what a 400 has told."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from mtbench_ko.engine.api_errors import refuses
from mtbench_ko.engine.base import Sampling

# Hosted models that do not take a parameter, as of 2026-11. OpenAI's (Azure hosts them too):
# https://platform.openai.com/docs/guides/reasoning and the model pages. Anthropic's take a temperature or a top_p, and
# what their compatible endpoint does not know it ignores: https://docs.anthropic.com/en/api/openai-sdk
_OPENAI, _ANTHROPIC = ("openai.com", "azure.com"), ("anthropic.com",)
_KNOWN = (
    (_OPENAI, re.compile(r"^(o\d|gpt-5)"), frozenset({"max_tokens", "temperature", "top_p"})),
    (_ANTHROPIC, re.compile(""), frozenset({"top_p"})),
)
_STEPS = ("response_format", "max_tokens", "top_p", "temperature", "seed", "top_k")


class Parameters:
    """What one endpoint is sent for one model; `max_completion_tokens` stands in where `max_tokens` is refused."""

    def __init__(self, model: str, base_url: str | None, left_out: Iterable[str] = ()) -> None:
        """`left_out` are parameters that are known to be refused."""
        self._own_server = base_url is not None  # vLLM and its like take more than OpenAI does
        host = urlsplit(base_url).hostname or "" if base_url else _OPENAI[0]
        self._dropped = set(left_out)
        for hosts, pattern, refused in _KNOWN:
            if any(host == name or host.endswith(f".{name}") for name in hosts):
                self._own_server = False
                if pattern.match(model.rpartition("/")[2]):
                    self._dropped |= refused

    @property
    def left_out(self) -> list[str]:
        """The parameters that are not sent."""
        return sorted(self._dropped)

    def body(self, sampling: Sampling, schema: dict[str, Any] | None) -> dict[str, Any]:
        """The request's fields beside model and messages."""
        body: dict[str, Any] = {
            name: getattr(sampling, name) for name in ("temperature", "top_p") if name not in self._dropped
        }
        body["max_completion_tokens" if "max_tokens" in self._dropped else "max_tokens"] = sampling.max_tokens
        if sampling.seed is not None and "seed" not in self._dropped:
            body["seed"] = sampling.seed
        if self._own_server and "top_k" not in self._dropped:
            body["top_k"] = -1
        if sampling.repetition_penalty != 1.0:
            body["repetition_penalty"] = sampling.repetition_penalty
        if schema and "response_format" not in self._dropped:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": schema},
            }
        return body

    def step_down(self, error: Any, body: dict[str, Any]) -> bool:
        """Whether a 400 or 422 refused a parameter of `body`: from now on it is left out, and asking again helps."""
        for parameter in _STEPS:
            if parameter in body and refuses(error, parameter):
                self._dropped.add(parameter)
                return True
        return False


def sent_sampling(body: dict[str, Any]) -> dict[str, Any]:
    """The sampling parameters among the fields of a request."""
    return {name: value for name, value in body.items() if name != "response_format"}
