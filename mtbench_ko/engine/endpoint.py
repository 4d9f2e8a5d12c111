"""A client of an OpenAI-compatible endpoint inside a Ray actor: hosted APIs and vLLM servers alike."""

import asyncio
import os
import re
from dataclasses import dataclass, replace
from typing import Any, cast

from mtbench_ko.engine.base import Completion, Failure, Messages, ReplicaInfo, Sampling
from mtbench_ko.engine.thinking import split_thinking
from mtbench_ko.records import well_formed
from mtbench_ko.urls import without_secrets

_MALFORMED_TRIES = 3
_FATAL_CODES = {"insufficient_quota": "quota", "model_not_found": "unknown_model", "invalid_api_key": "wrong_key"}


@dataclass(frozen=True, repr=False)
class EndpointSpec:
    """Where and what to call. The key has no place in a repr."""

    model: str
    base_url: str | None
    api_key: str
    concurrency: int
    timeout: float = 300.0  # seconds for one try
    tries: int = 6

    def __repr__(self) -> str:
        return f"EndpointSpec(model={self.model!r}, base_url={self.base_url!r})"


class EndpointReplica:
    """Ray actor class with one async client. The SDK retries 408, 409, 429, 5xx and lost connections."""

    def __init__(self, spec: EndpointSpec) -> None:
        self._spec = spec
        self._dropped: set[str] = set()  # parameters that this endpoint does not take

    async def start(self) -> ReplicaInfo:
        import httpx2
        import openai

        limits = httpx2.Limits(
            max_connections=self._spec.concurrency + 16, max_keepalive_connections=self._spec.concurrency + 16
        )
        self._client = openai.AsyncOpenAI(
            base_url=self._spec.base_url,
            api_key=self._spec.api_key,
            max_retries=self._spec.tries - 1,
            timeout=httpx2.Timeout(self._spec.timeout, connect=10),
            http_client=openai.DefaultAioHttpClient(limits=limits),
        )
        return ReplicaInfo(
            engine=f"openai {openai.__version__}",
            model=self._spec.model,
            node="",
            pid=os.getpid(),
            seconds_to_start=0.0,
            details={"base_url": without_secrets(str(self._client.base_url))},
        )

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion | Failure:
        failure = Failure("malformed_reply")
        for attempt in range(_MALFORMED_TRIES):
            reply = await self._once(messages, sampling, schema)
            if isinstance(reply, Completion) or reply.reason != "malformed_reply":
                return reply
            failure = reply
            await asyncio.sleep(0.5 * 2**attempt)
        return failure

    async def stop(self) -> None:
        await self._client.close()

    async def _once(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure:
        import openai

        body = self._body(sampling, schema)
        try:
            reply: Any = await self._client.chat.completions.create(
                model=self._spec.model, messages=cast(Any, messages), **body
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return await self._step_down(error, body, messages, sampling, schema)
        except openai.OpenAIError as error:
            return self._failure(error)
        except ValueError as error:  # a body that is not JSON (the SDK lets json.JSONDecodeError through)
            return Failure("malformed_reply", f"{type(error).__name__}: {error}")
        return self._completion(reply, messages, body)

    def _body(self, sampling: Sampling, schema: dict[str, Any] | None) -> dict[str, Any]:
        """The parameters this endpoint takes, as far as it has told us so far."""
        body: dict[str, Any] = {}
        for name in ("temperature", "top_p"):
            if name not in self._dropped:
                body[name] = getattr(sampling, name)
        limit = "max_completion_tokens" if "max_tokens" in self._dropped else "max_tokens"
        body[limit] = sampling.max_tokens
        extra: dict[str, Any] = {}
        if self._spec.base_url and "top_k" not in self._dropped:
            extra["top_k"] = -1
        if sampling.repetition_penalty != 1.0:
            extra["repetition_penalty"] = sampling.repetition_penalty
        if extra:
            body["extra_body"] = extra
        if schema and "response_format" not in self._dropped:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": schema},
            }
        return body

    async def _step_down(
        self,
        error: Any,
        body: dict[str, Any],
        messages: Messages,
        sampling: Sampling,
        schema: dict[str, Any] | None,
    ) -> Completion | Failure:
        """Ask again without the parameter that a 400 or 422 refuses, once for each; remembered for later calls.

        What is really sent is recorded with every completion.
        """
        sent = set(body) | set(body.get("extra_body", {}))
        for parameter in ("response_format", "max_tokens", "temperature", "top_p", "top_k"):
            if parameter in sent and not _overflow(error) and _refuses(error, parameter):
                self._dropped.add(parameter)
                return await self._once(messages, sampling, schema)
        return self._failure(error)

    def _failure(self, error: Any) -> Failure:
        failure = _classify(error)
        return replace(failure, detail=failure.detail.replace(self._spec.api_key, "***"))

    def _completion(self, reply: Any, messages: Messages, body: dict[str, Any]) -> Completion | Failure:
        choices = getattr(reply, "choices", None)
        if not choices or choices[0].message is None:
            return Failure("malformed_reply", "the reply has no choices")
        message, finish = choices[0].message, choices[0].finish_reason
        if finish == "content_filter":
            return Failure("content_filter", "the endpoint's content filter withheld the reply", final=True)
        if getattr(message, "refusal", None) and not message.content:
            return Failure("refusal", well_formed(message.refusal))
        thinking = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        if message.content is None and not thinking:
            return Failure("malformed_reply", "the endpoint sent neither text nor thinking")
        text, inline = split_thinking(well_formed(message.content or ""))
        sent = {key: value for key, value in body.items() if key not in ("response_format", "extra_body")}
        usage = reply.usage
        return Completion(
            text=text,
            reasoning=well_formed(thinking) if thinking else inline,
            finish_reason=finish,
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
            messages=messages,
            sampling=sent | body.get("extra_body", {}),
            model=reply.model or self._spec.model,
            structured="response_format" in body,
        )


def _overflow(error: Any) -> bool:
    phrases = ("maximum context length", "context_length_exceeded", "longer than the maximum model length")
    return any(phrase in str(error) for phrase in phrases)


def _refuses(error: Any, parameter: str) -> bool:
    """Whether a 400 says that the endpoint does not take `parameter`; merely echoing it is not enough."""
    if error.param:
        return str(error.param).partition(".")[0] == parameter
    no = r"(unsupported|not supported|does not support|unknown|unrecognized|unexpected|not permitted|invalid schema)"
    near = rf"{no}[^.]{{0,40}}\b{parameter}\b|\b{parameter}\b[^.]{{0,60}}{no}"
    return re.search(near, str(error), re.IGNORECASE) is not None


def _classify(error: Any) -> Failure:
    """What an SDK error means for the item, or for the whole run."""
    import openai

    detail = f"{type(error).__name__}: {error}"
    code = getattr(error, "code", None)
    if code in _FATAL_CODES:
        return Failure(_FATAL_CODES[code], detail, scope="run")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return Failure("wrong_key", detail, scope="run")
    if isinstance(error, openai.NotFoundError):
        return Failure("unknown_model", detail, scope="run")
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        overflow = _overflow(error)
        return Failure("context_overflow" if overflow else "bad_request", detail, final=overflow)
    if isinstance(error, openai.RateLimitError):
        return Failure("rate_limited", detail)
    if isinstance(error, openai.APITimeoutError):
        return Failure("timeout", detail)
    if isinstance(error, openai.APIConnectionError):
        return Failure("connection", detail)
    return Failure("api_error", detail)
