"""A run that judges by batches, without the rest of the program."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from fake_batches import FakeBatches

from mtbench_ko.engine import BatchEngine, Completion, EndpointSpec, Messages, Sampling
from mtbench_ko.records import AttemptRecord
from mtbench_ko.store import BatchBook, RunStore
from mtbench_ko.store.output import LocalOutput

COLD = Sampling(temperature=0.0, max_tokens=100)
SCHEMA = {"type": "object"}
T = TypeVar("T")
Result = Completion | BaseException


class Run:
    """A run on `folder`: an engine on its journal, from which a record is made of every reply, as grading does."""

    def __init__(self, folder: Path, api: FakeBatches, output: LocalOutput | None = None, **settings: Any) -> None:
        self.store = RunStore(folder)
        spec = EndpointSpec("judge", api.url, api.key, 1)
        timing = {"quiet": 0.1, "poll": (0.02, 0.1), **settings}
        self.handed_over = asyncio.Event()  # or taken up
        book = BatchBook(self.store, output or LocalOutput(folder))
        self.engine = BatchEngine(spec, book, lambda news: self.handed_over.set(), **timing)

    async def ask(self, text: str) -> Completion:
        reply = await self.engine.complete(messages(text), COLD, SCHEMA)
        about = {"bench": "b", "question_id": 1, "turn": 1, "key": text, "model": "m", "judge": "judge"}
        said = {"number": 1, "reason": "no_verdict", "judgment": reply.text, "batch": reply.batch}
        self.store.append(AttemptRecord(**about, **said))
        return reply

    async def ask_all(self, *texts: str) -> list[Result]:
        return await asyncio.gather(*map(self.ask, texts), return_exceptions=True)


def messages(text: str) -> Messages:
    return [{"role": "user", "content": text}]


def run(folder: Path, api: FakeBatches, work: Callable[[Run], Awaitable[T]], **settings: Any) -> T:
    """One life of a driver."""

    async def live() -> T:
        this = Run(folder, api, **settings)
        try:
            await this.engine.start()
            return await work(this)
        finally:
            await this.engine.stop()
            this.store.close()

    return asyncio.run(live())


def ask(folder: Path, api: FakeBatches, *texts: str, **settings: Any) -> list[Result]:
    return run(folder, api, lambda this: this.ask_all(*texts), **settings)


def texts_of(results: list[Result]) -> list[str]:
    return [result.text if isinstance(result, Completion) else repr(result) for result in results]


def batch_of(result: Result) -> str | None:
    return result.batch if isinstance(result, Completion) else repr(result)


def attempts(folder: Path) -> list[str]:
    """The texts whose replies became records, in their order."""
    lines = map(json.loads, (folder / "_state" / "journal.jsonl").read_text().splitlines())
    return [line["key"] for line in lines if line["kind"] == "attempt"]


def answers(*texts: str) -> list[str]:
    return [f"{text}에 대한 답" for text in texts]


def paid(api: FakeBatches) -> dict[str, int]:
    """How often the reply to a text was paid for."""
    return {json.loads(key)[0]["content"]: count for key, count in api.paid.items() if count}
