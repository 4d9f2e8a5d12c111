"""The one protocol of every engine: messages and sampling in, a completion out."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

Message = dict[str, str]
Messages = list[Message]


@dataclass(frozen=True)
class Sampling:
    """How to sample. `top_p` 1 and `top_k` off are sent explicitly, so that no server default changes a score."""

    temperature: float
    max_tokens: int
    top_p: float = 1.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True)
class Completion:
    """An engine's reply.

    Attributes:
        text: what the model said, thinking taken out.
        reasoning: the thinking, None if there was none.
        finish_reason: "stop", "length" (cut off by a token limit), "content_filter" (withheld, `text` may be a part)
            or "refusal" (`text` is what the model said instead).
        prompt_tokens, completion_tokens: token counts; thinking is part of the completion.
        messages, sampling: what was really sent.
        model: the model's name as the engine reported it.
        structured: whether the reply was constrained to the schema that was asked for.
    """

    text: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    messages: Messages
    sampling: dict[str, Any]
    model: str
    structured: bool = False

    def after(self, wasted: dict[str, int]) -> "Completion":
        """The same, its price including what tries before it took."""
        return replace(
            self,
            prompt_tokens=self.prompt_tokens + wasted.get("prompt_tokens", 0),
            completion_tokens=self.completion_tokens + wasted.get("completion_tokens", 0),
        )

    @property
    def usage(self) -> dict[str, int]:
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}


@dataclass(frozen=True)
class Failure:
    """Why an engine has no completion: it travels from actor to driver as data.

    `scope` says what it ends: the "item"; the "replica", whose other items go elsewhere; or the "run", since
    every item would fail alike (a wrong key). `final` items are not tried again by a later run. `usage` counts
    tokens that were spent all the same.
    """

    reason: str
    detail: str = ""
    scope: Literal["item", "replica", "run"] = "item"
    final: bool = False
    usage: dict[str, int] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """The fields of a failure record."""
        return {"reason": self.reason, "detail": self.detail, "final": self.final, "usage": self.usage}


class CompletionFailed(Exception):
    """This item has no completion; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.reason}: {failure.detail}")
        self.failure = failure


class Completer(Protocol):
    """Completes chat messages; safe to call from many tasks of one event loop."""

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        """Complete `messages`; with `schema` (JSON Schema) the reply is constrained to it where possible.

        Raises:
            CompletionFailed: this item failed.
            Stopped: no item can succeed.
        """
        ...


class Engine(Completer, Protocol):
    """All replicas of a model, or all clients of an endpoint.

    Attributes:
        parallel: calls worth having in flight.
    """

    parallel: int

    def conversation(self) -> Completer:
        """For the turns of one conversation: later turns go where the first one's cache is."""
        ...


@dataclass(frozen=True)
class ReplicaInfo:
    """What a replica says of itself once it is ready to serve."""

    engine: str
    model: str
    node: str
    pid: int
    seconds_to_start: float
    details: dict[str, Any] = field(default_factory=dict)
