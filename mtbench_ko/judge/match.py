"""What a judge is asked once, whatever the mode: a match, its key and slot, and the record of the reply."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mtbench_ko.bench import Bench
from mtbench_ko.engine import Completer, CompletionFailed, Messages, Sampling
from mtbench_ko.hashing import sha256_json
from mtbench_ko.judge.prompts import JudgePrompt, PromptSet
from mtbench_ko.judge.verdict import FORMATS, Verdict
from mtbench_ko.lines import References
from mtbench_ko.records import AttemptRecord, FailureRecord, Judged, Slot
from mtbench_ko.store import RunStore

_NOT_WHOLE = ("length", "content_filter", "refusal")  # finish reasons of replies that are not the judge's opinion


@dataclass(frozen=True)
class Judge:
    """Who judges and how. `identity` is the weights' or, for an endpoint, the model's name.

    `attempts` is how often a judge is asked that gives no readable verdict, `repeats` how many verdicts it gives on
    each item.
    """

    name: str
    identity: str
    prompts: PromptSet
    sampling: Sampling
    attempts: int = 1
    repeats: int = 1


@dataclass(frozen=True, kw_only=True)
class Match(ABC):
    """One call of the judge about turn `turn` of one answer or of two; `model` is the one shown, or shown first."""

    bench: str
    model: str
    question_id: int
    choice: int
    turn: int
    judge: Judge
    prompt: JudgePrompt
    slots: Mapping[str, str]
    references: References
    repeat: int = 0

    @property
    def messages(self) -> Messages:
        """What the judge is sent. Built anew whenever it is asked for: many matches may wait, and prompts are long."""
        return self.prompt.messages(self.slots)

    @cached_property
    def key(self) -> str:
        """What the reply depends on."""
        return sha256_json(
            {
                "judge": self.judge.identity,
                "sampling": self.judge.sampling.describe(),
                "messages": sha256_json(self.messages),
                "output_format": self.prompt.output_format,
                "repeat": self.repeat,
            }
        )

    @property
    def with_what(self) -> tuple[str, str, str, int]:
        """The end of the slot: judge, prompt set, source of references, repeat."""
        return self.judge.name, self.judge.prompts.name, self.references.source, self.repeat

    @property
    @abstractmethod
    def slot(self) -> Slot: ...

    @abstractmethod
    def subject(self) -> dict[str, Any]:
        """The fields of a record that say whose answers were judged."""

    @abstractmethod
    def record(self, verdict: Verdict | None, **reply: Any) -> Judged:
        """The record of a reply with `verdict`."""

    def saved(self, store: RunStore) -> Judged | FailureRecord | None:
        """What an earlier run made of exactly these messages, which are never paid for twice."""
        record = store.get(self.slot)
        if isinstance(record, Judged | FailureRecord) and record.key == self.key:
            return record
        return self.taken_over(store)

    def taken_over(self, store: RunStore) -> Judged | None:
        """The verdict that the same messages got elsewhere: under another source of references, or of a pair's other
        comparison. It is taken over, and its price not."""
        same = store.scored(self.slot[0], self.key)
        if same is None:
            return None
        free: dict[str, Any] = {"usage": {}, "batch": None}
        return same.model_copy(update=self.about() | self.made_with() | self.subject() | free)

    def about(self) -> dict[str, Any]:
        """The fields that say what a record of this match is about."""
        return {
            "bench": self.bench,
            "question_id": self.question_id,
            "choice": self.choice,
            "turn": self.turn,
            "key": self.key,
        }

    def made_with(self) -> dict[str, Any]:
        """The fields that say who judged, with which prompt and references."""
        return {
            "judge": [self.judge.name, self.prompt.name],
            "prompt_set": self.judge.prompts.name,
            "references": self.references,
            "repeat": self.repeat,
        }


def conversation_slots(asked: Sequence[str], answers: Sequence[str], suffix: str = "") -> dict[str, str]:
    """The slots of a prompt about turn len(answers): `question`, `answer` for turn 1; `question_1` … for turn 2.

    `suffix` is "_a" or "_b" where two answers stand side by side.
    """
    if len(answers) == 1:
        return {"question": asked[0], f"answer{suffix}": answers[0]}
    slots = {f"question_{number}": text for number, text in enumerate(asked[: len(answers)], start=1)}
    return slots | {f"answer{suffix}_{number}": text for number, text in enumerate(answers, start=1)}


def put_question(
    bench: Bench, judge: Judge, prompt: JudgePrompt, question_id: int, turn: int, slots: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of a match that asks `prompt` with `slots`, and with the question's references if it has any."""
    texts = bench.references.get(question_id)
    shown = {f"ref_answer_{number}": text for number, text in enumerate(texts or [], start=1)}
    return {
        "bench": bench.name,
        "question_id": question_id,
        "turn": turn,
        "judge": judge,
        "prompt": prompt,
        "slots": {**slots, **shown},
        "references": References(source=bench.reference_source, sha256=sha256_json(texts[:turn]) if texts else None),
    }


async def grade(
    match: Match, engine: Completer, keep: Callable[[AttemptRecord], None], may_go_on: Callable[[], bool]
) -> Judged | FailureRecord | None:
    """Ask the judge until it gives a verdict, at most `attempts` times; `keep` is given the replies before the last.

    A reply without a verdict is `unscored`, no reply a failure; neither is a score. Every attempt is the same call:
    what differs is the judge's chance. `may_go_on` is asked before another attempt; None if it may not.
    """
    format, messages = FORMATS[match.prompt.output_format], match.messages
    for attempt in range(1, match.judge.attempts + 1):
        try:
            reply = await engine.complete(messages, match.judge.sampling, format.schema)
        except CompletionFailed as error:
            return FailureRecord(
                **match.about(),
                model=match.model,
                stage="judgment",
                failed_slot=list(match.slot),
                **error.failure.describe(),
            )
        whole = reply.finish_reason not in _NOT_WHOLE  # else what looks like a verdict may be a quotation
        verdict = format.parse(reply.text, reply.structured) if whole else None
        reason = None if verdict is not None else "no_verdict" if whole else str(reply.finish_reason)
        said = {
            "judgment": reply.text,
            "reason": reason,
            "finish_reason": reply.finish_reason,
            "usage": reply.usage,
            "judge_reported": reply.model,
            "batch": reply.batch,
        }
        if reason is None or attempt == match.judge.attempts:
            break
        keep(AttemptRecord(**match.about(), model=match.model, judge=match.judge.name, number=attempt, **said))
        if not may_go_on():
            return None
    return match.record(
        verdict,
        outcome="unscored" if reason else "scored",
        user_prompt=messages[-1]["content"],
        attempts=attempt,
        sampling=reply.sampling,
        **said,
    )
