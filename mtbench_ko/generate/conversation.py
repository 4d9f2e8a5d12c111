"""One conversation: each turn is sent with the stored turns before it, and stored before the next is sent."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from mtbench_ko.engine import Completer, CompletionFailed, Engine, Failure, Messages, Sampling
from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import Question
from mtbench_ko.records import FailureRecord, Slot, TurnRecord, turn_slot
from mtbench_ko.store import RunStore


@dataclass(frozen=True)
class Subject:
    """The model under test, as answer keys see it.

    `identity` names the weights (or the endpoint's model name), `template_sha256` the chat template in use.
    """

    model_id: str
    identity: str
    template_sha256: str | None
    system_prompt: str | None


@dataclass(frozen=True)
class Conversation:
    """Choice number `choice` of a question, to be held with one subject."""

    bench: str
    question: Question
    choice: int
    subject: Subject
    sampling: Sampling

    @property
    def key(self) -> str:
        """What the answers depend on; a stored answer with another key is not an answer to this."""
        return sha256_json(
            {
                "turns": self.question.turns,
                "system_prompt": self.subject.system_prompt,
                "chat_template": self.subject.template_sha256,
                "weights": self.subject.identity,
                "sampling": self.sampling.describe(),
                "choice": self.choice,
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

    def failure(self, store: RunStore) -> FailureRecord | None:
        """How the first turn that is not saved failed in an earlier run, if it did."""
        done = len(self.saved_turns(store))
        record = store.get(self.slot(done + 1))
        return record if isinstance(record, FailureRecord) and record.key == self.key else None


async def converse(
    conversation: Conversation, engine: Engine, store: RunStore, may_go_on: Callable[[], bool]
) -> AsyncIterator[TurnRecord | FailureRecord]:
    """Send the turns that are not saved yet; store and yield each. A failed turn ends the conversation.

    `may_go_on` is asked before a turn is sent.
    """
    texts = [turn.text for turn in conversation.saved_turns(store)]
    async with engine.conversation() as talk:
        while len(texts) < len(conversation.question.turns) and may_go_on():
            record = await _next_turn(conversation, texts, talk)
            store.append(record)
            yield record
            if isinstance(record, FailureRecord):
                return
            texts.append(record.text)


async def _next_turn(conversation: Conversation, answers: list[str], engine: Completer) -> TurnRecord | FailureRecord:
    number = len(answers) + 1
    messages = conversation.messages(answers)
    try:
        completion = await engine.complete(messages, conversation.sampling)
        if completion.finish_reason == "content_filter":
            detail = "the endpoint's filter withheld the answer"
            raise CompletionFailed(Failure("content_filter", detail, final=True, usage=completion.usage))
    except CompletionFailed as error:
        return FailureRecord(
            bench=conversation.bench,
            question_id=conversation.question.question_id,
            choice=conversation.choice,
            turn=number,
            key=conversation.key,
            stage="answer",
            model=conversation.subject.model_id,
            failed_slot=list(conversation.slot(number)),
            **error.failure.describe(),
        )
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
