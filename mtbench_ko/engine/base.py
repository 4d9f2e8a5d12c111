"""The one protocol of every engine: messages and sampling in, a completion out."""

from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

Message = dict[str, str]
Messages = list[Message]

COUNTED = ("prompt_tokens", "completion_tokens")
DETAILED = ("cached_tokens", "reasoning_tokens")
"""Names in `usage`; the details are parts of the former, in the same order."""


@dataclass(frozen=True)
class Sampling:
    """How to sample. `top_p` 1 and `top_k` off are sent explicitly, so that no server default changes a score.

    With a `seed` a reply depends on the messages alone, not on what is computed beside it, where the engine allows.
    """

    temperature: float
    max_tokens: int
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int | None = None

    def describe(self) -> dict[str, Any]:
        """The fields as keys and records hold them: no seed where there is none."""
        fields = asdict(self)
        return fields if self.seed is not None else {name: fields[name] for name in fields if name != "seed"}


@dataclass(frozen=True)
class Completion:
    """An engine's reply.

    Attributes:
        text: what the model said, thinking taken out.
        reasoning: the thinking, None if there was none.
        finish_reason: "stop", "length" (cut off by a token limit), "content_filter" (withheld, `text` may be a part)
            or "refusal" (`text` is what the model said instead).
        prompt_tokens, completion_tokens: token counts; thinking is part of the completion.
        cached_tokens, reasoning_tokens: how many of them came from a cache, and how many were thinking, as far as an
            API says so.
        sampling: what was really sent.
        model: the model's name as the engine reported it.
        structured: whether the reply was constrained to the schema that was asked for.
        batch: the line of a batch that it came from, as `BatchRecord.line` has it; None for a call of its own.
    """

    text: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    sampling: dict[str, Any]
    model: str
    structured: bool = False
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    batch: str | None = None

    def after(self, wasted: dict[str, int]) -> "Completion":
        """The same, its price including what tries before it took."""
        return replace(self, **{name: getattr(self, name) + wasted.get(name, 0) for name in (*COUNTED, *DETAILED)})

    @property
    def usage(self) -> dict[str, int]:
        """The token counts as records hold them: details only where there are any."""
        details = {name: count for name in DETAILED if (count := getattr(self, name))}
        return {name: getattr(self, name) for name in COUNTED} | details


@dataclass(frozen=True)
class Failure:
    """Why an engine has no completion: it travels from actor to driver as data.

    `scope` says what it ends: the "item"; the "replica", whose other items go elsewhere; the "model", which no
    replica could serve; or the "run", since every item would fail alike (a wrong key). `final` items are not tried
    again by a later run. `usage` counts tokens that were spent all the same.
    """

    reason: str
    detail: str = ""
    scope: Literal["item", "replica", "model", "run"] = "item"
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
    """All replicas of a model, or all clients of an endpoint. It takes no more work than it can do at once."""

    def conversation(self) -> AbstractAsyncContextManager[Completer]:
        """Enter when there is room for one more conversation; its turns go where the first one's cache is.

        Raises:
            ModelFailed: no replica serves, and none will.
        """
        ...

    def let_go(self) -> None:
        """The run is about to end: calls that would take hours end as cancelled, others may finish."""
        ...


class Pool(Engine, Protocol):
    """An engine that is started and stopped as a whole."""

    async def start(self) -> None:
        """Begin; returns when it can serve.

        Raises:
            ModelFailed: it cannot.
            Stopped: no call could succeed.
        """
        ...

    async def stop(self) -> None:
        """End it. Calls in work fail."""
        ...

    def metrics(self) -> list[dict[str, Any]]:
        """What each replica is doing."""
        ...

    def describe(self) -> list[dict[str, Any]]:
        """Every replica that has served: what it is, what it did, and how it ended. For the manifest."""
        ...


@dataclass(frozen=True)
class ReplicaInfo:
    """What a replica says of itself once it is ready to serve; `slots` is how many conversations it has room for."""

    engine: str
    model: str
    node: str
    pid: int
    seconds_to_start: float
    slots: int
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Counters:
    """What an engine does now (`running`, `waiting`, `cache_usage`) and has done since it started.

    Attributes:
        steps: forward passes; they stand still while an engine hangs.
        running, waiting: requests.
        prompt_tokens, generated_tokens: of all requests so far.
        cache_queries, cache_hits: prompt tokens looked up and found in the prefix cache.
        cache_usage: share of the KV cache that is in use.
        preemptions: requests that lost their KV cache to others and were computed again.
    """

    steps: int = 0
    running: int = 0
    waiting: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    cache_queries: int = 0
    cache_hits: int = 0
    cache_usage: float = 0.0
    preemptions: int = 0


class ReplicaLost(Exception):
    """A replica ended before it could serve; another may fare better."""


class Replica(Protocol):
    """One engine of a pool, used once: after its death the pool has another one made."""

    async def place(self) -> None:
        """Wait, for as long as it takes, until the resources of this replica are there.

        Raises:
            ReplicaLost: they went away again.
        """
        ...

    def lacks(self) -> str:
        """What `place` waits for, in words."""
        ...

    async def start(self) -> ReplicaInfo:
        """Load until it can serve.

        Raises:
            ModelFailed: no other replica would fare better.
            ReplicaLost: another one may.
        """
        ...

    async def complete(
        self, messages: Messages, sampling: Sampling, schema: dict[str, Any] | None
    ) -> Completion | Failure:
        """Never raises: a replica that is dead gives a `Failure` of the scope "replica"."""
        ...

    async def counters(self) -> Counters | None:
        """A cheap reading; None where there is no engine to read.

        Raises:
            ReplicaLost: it is dead.
        """
        ...

    async def stop(self) -> None:
        """End the engine, its processes and its memory in good order."""
        ...

    def kill(self) -> None:
        """End it at once, and give its resources back; also in any state before."""
        ...
