"""What the program reads and writes: questions, answers, judgments and failures.

The shapes follow FastChat's `llm_judge` files (question.jsonl, model_answer/*.jsonl, model_judgment/*.jsonl);
our own fields stand beside theirs. A record's *slot* says what it is about, its *key* (a sha256) what it was
made from: a record answers for its slot only while the key still matches.
"""

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Slot = tuple[Any, ...]


class Question(BaseModel):
    """One line of question.jsonl. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    question_id: int
    category: str = Field(min_length=1)
    turns: list[str] = Field(min_length=1, max_length=2)
    reference: list[str] | str | None = None
    required_temperature: float | None = Field(default=None, ge=0)


class Choice(BaseModel):
    """One sampled conversation: `turns[i]` answers the question's turn i.

    `finish_reason`, `usage` and `reasoning` are ours and run parallel to `turns`; FastChat's files lack them.
    """

    model_config = ConfigDict(extra="allow")

    index: int
    turns: list[str]
    finish_reason: list[str | None] = []
    usage: list[dict[str, int]] = []
    reasoning: list[str | None] = []


class Answer(BaseModel):
    """One line of model_answer/<model_id>.jsonl. `key` is ours: absent from files that FastChat wrote."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    question_id: int
    answer_id: str
    model_id: str
    choices: list[Choice] = Field(min_length=1)
    tstamp: float
    key: list[str] | None = None


class _Journaled(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    bench: str
    question_id: int
    choice: int = 0
    turn: int = Field(ge=1)
    key: str
    tstamp: float = Field(default_factory=time.time)


class TurnRecord(_Journaled):
    """A model's finished answer to one turn.

    `messages_sha256` is the hash of the messages really sent, so that turn 2 is known to be built on the
    stored turn 1. `sampling` is what was sent; `usage` counts tokens.
    """

    kind: Literal["turn"] = "turn"
    model_id: str
    messages_sha256: str
    text: str
    reasoning: str | None = None
    finish_reason: str | None
    usage: dict[str, int] = {}
    sampling: dict[str, Any] = {}
    adopted: bool = False

    @property
    def slot(self) -> Slot:
        return turn_slot(self.bench, self.model_id, self.question_id, self.choice, self.turn)


class References(BaseModel):
    """The source of references that the run chose ("none" for no references), and the hash of what was shown.

    `sha256` is None where the judge was shown none: most categories are judged without.
    """

    source: str
    sha256: str | None


def turn_slot(bench: str, model: str, question_id: int, choice: int, turn: int) -> Slot:
    """What an answer to one turn is about."""
    return ("turn", bench, model, question_id, choice, turn)


def judgment_slot(
    bench: str,
    model: str,
    question_id: int,
    choice: int,
    turn: int,
    judge: str,
    prompt_set: str,
    references: str,
    repeat: int = 0,
) -> Slot:
    """What a single-answer judgment is about; `references` is the source that the run chose, or "none"."""
    return ("judgment", bench, model, question_id, choice, turn, judge, prompt_set, references, repeat)


class JudgmentRecord(_Journaled):
    """A judge's reply about one turn. `judge` is [judge name, prompt name] and `score` is -1 when the reply
    held no verdict, both as in FastChat. `answers_sha256` is the hash of the turns that were judged, so that a
    judgment of replaced answers is known; `sampling` is what was sent."""

    kind: Literal["judgment"] = "judgment"
    model: str
    judge: list[str] = Field(min_length=2, max_length=2)
    user_prompt: str
    judgment: str
    answers_sha256: str
    score: float
    outcome: Literal["scored", "unscored"]
    reason: str | None = None
    prompt_set: str
    references: References
    repeat: int = 0
    finish_reason: str | None = None
    usage: dict[str, int] = {}
    sampling: dict[str, Any] = {}
    judge_reported: str | None = None

    @property
    def slot(self) -> Slot:
        return judgment_slot(
            self.bench,
            self.model,
            self.question_id,
            self.choice,
            self.turn,
            self.judge[0],
            self.prompt_set,
            self.references.source,
            self.repeat,
        )


class FailureRecord(_Journaled):
    """An item without a result. It stands in the slot of the record that it should have been.

    `reason` is a short code, `final` says that trying again cannot help (a context overflow).
    """

    kind: Literal["failure"] = "failure"
    stage: Literal["answer", "judgment"]
    model: str
    failed_slot: list[Any]
    reason: str
    detail: str = ""
    final: bool = False

    @property
    def slot(self) -> Slot:
        return tuple(self.failed_slot)


Record = TurnRecord | JudgmentRecord | FailureRecord
JOURNAL_LINE: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


class JudgmentLine(BaseModel):
    """One line of model_judgment/<judge>_single.jsonl, FastChat's or ours."""

    model_config = ConfigDict(extra="allow")

    question_id: int
    model: str
    judge: list[str] = Field(min_length=2, max_length=2)
    user_prompt: str = ""
    judgment: str = ""
    score: float
    turn: int
    tstamp: float = 0
    key: str | None = None
    choice: int = 0
    prompt_set: str | None = None
    references: References | None = None


def well_formed(text: str) -> str:
    """`text` with each lone surrogate replaced by U+FFFD, since such text cannot be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
