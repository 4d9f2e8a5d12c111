"""One conversation: each turn is sent with the stored turns before it, and stored before the next is sent."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mtbench_ko.engine import Completer, CompletionFailed, Failure, Messages, Sampling
from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import Question
from mtbench_ko.records import FailureRecord, Slot, TurnRecord, turn_slot
from mtbench_ko.store import RunStore


@dataclass(frozen=True)
class Subject:
    """The model under test, as answer keys see it.

    `identity` names the weights (or the endpoint's model name), `template_sha256` the chat template in use, and
    `template_kwargs` what that is given beside the messages.
    """

    model_id: str
    identity: str
    template_sha256: str | None
    system_prompt: str | None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    """Choice number `choice` of a question, to be held with one subject."""

    bench: str
    question: Question
    choice: int
    subject: Subject
    sampling: Sampling

    @cached_property
    def key(self) -> str:
        """What the answers depend on; a stored answer with another key is not an answer to this.

        The seed is not part of it, since it follows from the question and the choice.
        """
        kwargs = dict(self.subject.template_kwargs)
        return sha256_json(
            {
                "turns": self.question.turns,
                "system_prompt": self.subject.system_prompt,
                "chat_template": self.subject.template_sha256,
                "weights": self.subject.identity,
                "sampling": replace(self.sampling, seed=None).describe(),
                "choice": self.choice,
                **({"chat_template_kwargs": kwargs} if kwargs else {}),
            }
        )

    def slot(self, turn: int) -> Slot:
        return turn_slot(self.bench, self.subject.model_id, self.question.question_id, self.choice, turn)

    def messages(self, answers: list[str]) -> Messages:
        """What is sent for turn len(answers) + 1."""
        messages = [{"role": "system", "content": self.subject.system_prompt}] if self.subject.system_prompt else []
        for question, answer in zip(self.question.turns, answers, strict=False):
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return [*messages, {"role": "user", "content": self.question.turns[len(answers)]}]

    def saved_turns(self, store: RunStore) -> list[TurnRecord]:
        """The stored turns that still hold: same key, and turn 2 built on the stored turn 1."""
        turns: list[TurnRecord] = []
        for number in range(1, len(self.question.turns) + 1):
            record = store.get(self.slot(number))
            if not isinstance(record, TurnRecord) or record.key != self.key:
                break
            sent = sha256_json(self.messages([turn.text for turn in turns]))
            if record.messages_sha256 != sent:
                break
            turns.append(record)
        return turns

    def failed(self, turn: int, failure: Failure) -> FailureRecord:
        """The record of a turn that has no answer."""
        return FailureRecord(
            bench=self.bench,
            question_id=self.question.question_id,
            choice=self.choice,
            turn=turn,
            key=self.key,
            stage="answer",
            model=self.subject.model_id,
            failed_slot=list(self.slot(turn)),
            **failure.describe(),
        )

    def failure(self, store: RunStore, since: float = 0.0) -> FailureRecord | None:
        """How the first turn that is not saved failed, if it did, at the time `since` or later."""
        done = len(self.saved_turns(store))
        record = store.get(self.slot(done + 1))
        if isinstance(record, FailureRecord) and record.key == self.key and record.tstamp >= since:
            return record
        return None


async def converse(
    conversation: Conversation,
    texts: list[str],
    engine: Completer,
    store: RunStore,
    may_go_on: Callable[[], bool],
) -> AsyncIterator[TurnRecord | FailureRecord]:
    """Send the turns that are not in `texts` yet; store, add and yield each. A failed turn ends the conversation.

    `may_go_on` is asked before a turn is sent.
    """
    while len(texts) < len(conversation.question.turns) and may_go_on():
        record = await _next_turn(conversation, texts, engine)
        store.append(record)
        if isinstance(record, TurnRecord):
            texts.append(record.text)
        yield record
        if isinstance(record, FailureRecord):
            return


async def _next_turn(conversation: Conversation, answers: list[str], engine: Completer) -> TurnRecord | FailureRecord:
    number = len(answers) + 1
    messages = conversation.messages(answers)
    try:
        completion = await engine.complete(messages, conversation.sampling)
        if completion.finish_reason == "content_filter":
            detail = "the endpoint's filter withheld the answer"
            raise CompletionFailed(Failure("content_filter", detail, final=True, usage=completion.usage))
    except CompletionFailed as error:
        return conversation.failed(number, error.failure)
    return TurnRecord(
        bench=conversation.bench,
        question_id=conversation.question.question_id,
        choice=conversation.choice,
        turn=number,
        key=conversation.key,
        model_id=conversation.subject.model_id,
        messages_sha256=sha256_json(messages),
        text=completion.text,
        reasoning=completion.reasoning,
        finish_reason=completion.finish_reason,
        usage=completion.usage,
        sampling=completion.sampling,
    )
