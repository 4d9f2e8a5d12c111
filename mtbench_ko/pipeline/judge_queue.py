"""The matches of one judge, on their way to its engine."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakValueDictionary

from mtbench_ko.engine import Completer, Engine
from mtbench_ko.judge import Match


class JudgeQueue:
    """Matches are asked in their order once the engine is there, as many at a time as that has room for.

    One alone waits for room, so that a run of any size has few tasks. They live in `group`: an error in one of them
    ends all. The same messages are asked one after the other, so that the later ones can have the first one's verdict.
    """

    def __init__(self, ask: Callable[[Match, Completer], Awaitable[None]], group: asyncio.TaskGroup) -> None:
        self._ask = ask
        self._group = group
        self._engine: Engine | None = None
        self._waiting: deque[Match] = deque()
        self._unfinished: Counter[str] = Counter()  # by the model that they show first
        self._model_through = asyncio.Event()
        self._dispatching = False
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def waiting(self) -> Sequence[Match]:
        """Those that nobody has asked yet."""
        return self._waiting

    def put(self, match: Match) -> None:
        """It is asked when its turn comes."""
        self._waiting.append(match)
        self._unfinished[match.model] += 1
        self._dispatch()

    def serve(self, engine: Engine) -> None:
        """The judge is ready."""
        self._engine = engine
        self._dispatch()

    def stop(self) -> None:
        """Forget those that wait; what is in flight may finish, if that does not take hours."""
        while self._waiting:
            self._finished(self._waiting.popleft())
        if self._engine:
            self._engine.let_go()

    async def finish(self, model: str | None = None) -> None:
        """Wait until no match is left, or none that shows `model` first."""
        while self._unfinished[model] if model else self._unfinished:
            await self._model_through.wait()

    def _dispatch(self) -> None:
        if self._engine and self._waiting and not self._dispatching:
            self._dispatching = True
            self._group.create_task(self._start_all(self._engine))

    async def _start_all(self, engine: Engine) -> None:
        while self._waiting:
            begun = asyncio.Event()
            self._group.create_task(self._hold(self._waiting.popleft(), engine, begun))
            await begun.wait()
        self._dispatching = False

    async def _hold(self, match: Match, engine: Engine, begun: asyncio.Event) -> None:
        try:
            async with engine.conversation() as talk:
                begun.set()
                async with self._asking.setdefault(match.key, asyncio.Lock()):
                    await self._ask(match, talk)
        finally:  # an engine that is told to let go ends its calls as cancelled
            self._finished(match)

    def _finished(self, match: Match) -> None:
        self._unfinished[match.model] -= 1
        if not self._unfinished[match.model]:
            del self._unfinished[match.model]
            self._model_through.set()
            self._model_through = asyncio.Event()
