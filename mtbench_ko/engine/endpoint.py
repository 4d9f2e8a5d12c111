"""A client of an OpenAI-compatible endpoint inside a Ray actor: hosted APIs and vLLM servers alike."""

import asyncio
import os
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit, urlunsplit

from mtbench_ko.engine.api_errors import CONTENT_FILTER, QUOTA, classify
from mtbench_ko.engine.base import Completion, Failure, Messages, ReplicaInfo, Sampling
from mtbench_ko.engine.mailbox import Call, Finished, Inbox
from mtbench_ko.engine.parameters import Parameters, sent_sampling
from mtbench_ko.engine.replies import read_reply
from mtbench_ko.urls import hidden, secrets_of, without_secrets

Reply = TypeVar("Reply", Completion, Failure, Completion | Failure)
_NO_COMPLETION = ("malformed_reply", "empty_reply")
_PAUSES = (0.5, 1.0, 2.0, 0.0)  # seconds after each try that brought a 200 without a completion
_DETAIL = 2000  # characters: some servers echo the prompt
_BUSY_SECONDS = 30.0  # before an item is tried again that the SDK gave up on after its tries


@dataclass(frozen=True, repr=False)
class EndpointSpec:
    """Where and what to call. The key has no place in a repr.

    `connections` is the most that one client opens; `timeout` and `deadline` are seconds for one try and for all
    tries of an item. With an `api_version` it is Azure's dated API: `base_url` is the resource, `model` a deployment.
    """

    model: str
    base_url: str | None
    api_key: str
    connections: int
    timeout: float = 600.0
    deadline: float = 3600.0
    tries: int = 10
    api_version: str | None = None

    def __repr__(self) -> str:
        return f"EndpointSpec(model={self.model!r}, base_url={without_secrets(self.base_url or '')!r})"

    def place(self) -> dict[str, Any]:
        """The arguments of a client of OpenAI's SDK that say where it calls.

        The SDK wants a query by itself, and its transport a user and a password as a header, which stands for the key.
        """
        if self.base_url is None:
            return {"base_url": None}
        parts = urlsplit(self.base_url)
        user, _, host = parts.netloc.rpartition("@")
        login = {"Authorization": f"Basic {b64encode(unquote_to_bytes(user)).decode()}"} if user else {}
        return {
            "base_url": urlunsplit(parts._replace(netloc=host, query="")),
            "default_query": dict(parse_qsl(parts.query)),
            "default_headers": login,
        }

    def clean(self, reply: Reply) -> Reply:
        """A failure without what was sent to be let in, which some servers repeat, and of a length for a record."""
        if isinstance(reply, Completion):
            return reply
        return replace(reply, detail=hidden(reply.detail, [self.api_key, *secrets_of(self.base_url)])[:_DETAIL])


@dataclass(frozen=True)
class _TryLater:
    """The endpoint is too busy for longer than the SDK waits."""

    failure: Failure
    seconds: float


class EndpointReplica:
    """Ray actor class with one async client.

    The SDK retries 408, 409, 429, 5xx, timeouts and lost connections, and waits as long as a Retry-After of up to
    two minutes says. Added here: bodies that are no completion, longer waits, and a deadline for each item.
    """

    def __init__(self, spec: EndpointSpec) -> None:
        self._spec = spec
        self._parameters = Parameters(spec.model, spec.base_url)
        self._inbox = Inbox(self.complete)

    async def start(self) -> ReplicaInfo:
        import httpx2
        import openai

        connections = self._spec.connections + 16
        kind: Callable[..., openai.AsyncOpenAI] = openai.AsyncOpenAI
        where = self._spec.place()
        if self._spec.api_version:
            kind = openai.AsyncAzureOpenAI
            where |= {"azure_endpoint": where.pop("base_url"), "api_version": self._spec.api_version}
        self._client = kind(
            **where,
            api_key=self._spec.api_key,
            max_retries=self._spec.tries - 1,
            timeout=httpx2.Timeout(self._spec.timeout, connect=10),
            http_client=openai.DefaultAioHttpClient(
                limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
                event_hooks={"response": [self._heard]},
            ),
        )
        return ReplicaInfo(
            engine=f"openai {openai.__version__}",
            model=self._spec.model,
            node="",
            pid=os.getpid(),
            seconds_to_start=0.0,
            slots=self._spec.connections,
            details={"base_url": without_secrets(str(self._client.base_url))},
        )

    async def put(self, calls: dict[int, Call]) -> None:
        self._inbox.put(calls)

    async def take(self) -> Finished:
        return await self._inbox.take()

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion | Failure:
        clock = asyncio.get_running_loop().time
        until = clock() + self._spec.deadline
        last = Failure("timeout", "no reply at all")
        try:
            async with asyncio.timeout_at(until):
                for pause in _PAUSES:
                    reply = await self._once(messages, sampling, schema)
                    while isinstance(reply, _TryLater):
                        last = reply.failure
                        if clock() + reply.seconds > until:
                            return replace(last, detail=f"asks to wait {reply.seconds:.0f} s; {last.detail}")
                        await asyncio.sleep(reply.seconds)
                        reply = await self._once(messages, sampling, schema)
                    if isinstance(reply, Completion):
                        return reply.after(last.usage)
                    last = replace(reply, usage=dict(Counter(last.usage) + Counter(reply.usage)))
                    if reply.reason not in _NO_COMPLETION:
                        return last
                    await asyncio.sleep(pause)
        except TimeoutError:
            return replace(last, detail=f"no reply within {self._spec.deadline:.0f} s; last: {last.detail}")
        return last

    async def counters(self) -> None:
        """There is no engine here; the SDK's timeouts end calls that hang."""

    async def stop(self) -> None:
        await self._client.close()

    async def _once(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure | _TryLater:
        import httpx2
        import openai

        body = self._parameters.body(sampling, schema)
        request = {"model": self._spec.model, "messages": messages, **body}
        try:  # not chat.completions.create: its checks of the types of messages take two fifths of a call's CPU time
            reply = await self._client.post("/chat/completions", cast_to=httpx2.Response, body=request)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if error.code == CONTENT_FILTER:
                return withheld(body, self._spec.model)
            if self._parameters.step_down(error, body):
                return await self._once(messages, sampling, schema)
            return self._failure(error)
        except openai.RateLimitError as error:
            failure = self._failure(error)
            return failure if failure.scope == "run" else _TryLater(failure, _seconds(error.response))
        except openai.OpenAIError as error:
            return self._failure(error)
        return self._spec.clean(read_reply(reply.text, self._spec.model, body))

    async def _heard(self, response: Any) -> None:
        """See every HTTP reply, those that the SDK retries too."""
        self._inbox.heard(response.status_code)
        if response.status_code == 429 and QUOTA.encode() in await response.aread():
            response.headers["x-should-retry"] = "false"  # the SDK obeys; no waiting brings the money back

    def _failure(self, error: Any) -> Failure:
        return self._spec.clean(classify(error))


async def ask_once(spec: EndpointSpec, messages: Messages, sampling: Sampling) -> Completion | Failure:
    """One call without Ray, to see whether the endpoint answers."""
    client = EndpointReplica(spec)
    await client.start()
    try:
        return await client.complete(messages, sampling)
    finally:
        await client.stop()


def withheld(body: dict[str, Any], model: str) -> Completion:
    """The reply to a prompt that a content filter stopped."""
    return Completion("", None, CONTENT_FILTER, 0, 0, sent_sampling(body), model)


def _seconds(response: Any) -> float:
    """How long a 429 asks to wait: seconds or a date in Retry-After, as RFC 9110 section 10.2.3 has it."""
    header = response.headers.get("retry-after", "")
    try:
        if header.strip().isdecimal():
            return float(header)
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return _BUSY_SECONDS
