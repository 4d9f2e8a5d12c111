"""Conversations and replicas for virtual time: lengths from a stated distribution, everything else the real thing.

Answers to a conversation have as many characters as a lognormal distribution says whose mean and spread are those of
its category, measured on 560 answers of seven models that FastChat's users published (see generate/order.py), at most
9,000; both turns are equally long, and an engine writes 100 characters a second in each of its slots, however many are
taken. So a conversation takes from some seconds to a minute and a half, 27 s in the mean.
"""

import asyncio
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mtbench_ko.engine import Completion, Counters, Messages, ReplicaInfo, Sampling
from mtbench_ko.generate import Conversation, Subject
from mtbench_ko.lines import Question
from mtbench_ko.store import RunStore

CHARACTERS_A_SECOND = 100.0
LONGEST = 9000.0
LENGTHS = {  # category: mean characters of a conversation, spread / mean
    "writing": (3457, 0.62),
    "roleplay": (2866, 0.69),
    "reasoning": (1731, 1.22),
    "math": (1052, 1.05),
    "coding": (2721, 0.68),
    "extraction": (1165, 1.42),
    "stem": (3643, 0.46),
    "humanities": (4636, 0.44),
}
QUESTIONS = [
    Question(question_id=81 + number, category=list(LENGTHS)[number // 10], turns=[f"질문 {number}", "이어지는 질문"])
    for number in range(80)
]
_BY_TEXT = {question.turns[0]: question for question in QUESTIONS}
SAMPLING = Sampling(temperature=0.7, max_tokens=1024)


def seconds(question: Question, model: str) -> float:
    """How long one turn takes: the same draw in whatever order and wherever it is answered."""
    average, spread = LENGTHS[question.category]
    variance = math.log(1 + spread**2)
    draw = random.Random(f"{question.question_id} {model}").lognormvariate(
        math.log(average) - variance / 2, variance**0.5
    )
    return min(draw, LONGEST) / 2 / CHARACTERS_A_SECOND


def conversations(models: int) -> list[Conversation]:
    """All that `models` models owe. Each is told its name, so that a replica knows for whom it answers."""
    return [
        Conversation(
            "mt_bench_ko", question, 0, Subject(name, f"weights of {name}", None, system_prompt=name), SAMPLING
        )
        for name in (f"model-{number}" for number in range(models))
        for question in QUESTIONS
    ]


class SimulatedReplica:
    """A `Replica` that sleeps instead of generating."""

    def __init__(self, number: int, slots: int, load_seconds: float = 0.0) -> None:
        self._number, self._slots, self._load_seconds = number, slots, load_seconds

    async def place(self) -> None: ...

    def lacks(self) -> str:
        return "nothing"

    async def start(self) -> ReplicaInfo:
        await asyncio.sleep(self._load_seconds)
        return ReplicaInfo("simulated", "m", f"node-{self._number}", 0, self._load_seconds, self._slots)

    async def complete(self, messages: Messages, sampling: Sampling, schema: object) -> Completion:
        model, question = messages[0]["content"], _BY_TEXT[messages[1]["content"]]
        await asyncio.sleep(seconds(question, model))
        return Completion("답", None, "stop", 1, 1, sampling.describe(), "m")

    async def counters(self) -> Counters | None:
        return None

    async def stop(self) -> None: ...

    def kill(self) -> None: ...


@contextmanager
def temporary_store() -> Iterator[RunStore]:
    """The real journal, in a folder that goes away."""
    with TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        yield store
        store.close()
