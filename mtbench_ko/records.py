"""What the journal holds: turns, judgments, games, failures, attempts and batches.

A record's *slot* says what it is about, its *key* (a sha256) what it was
made from: a record answers for its slot only while the key still matches.
"""

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mtbench_ko.lines import References

Slot = tuple[Any, ...]


class _Journaled(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    bench: str = Field(pattern=r"^[^/\x00]*[^/.\x00][^/\x00]*$")  # it names a folder
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


def game_slot(
    bench: str,
    first: str,
    second: str,
    question_id: int,
    choice: int,
    turn: int,
    judge: str,
    prompt_set: str,
    references: str,
    repeat: int = 0,
) -> Slot:
    """What a game is about: two models in the order in which the judge is shown them."""
    return ("game", bench, first, second, question_id, choice, turn, judge, prompt_set, references, repeat)


def pair_order(slot: Slot) -> Slot:
    """The slot of a game in an order that brings both games of a pair together: they differ in the last element."""
    return (*slot[:2], tuple(sorted(slot[2:4])), *slot[4:], slot[2])


def kind_of(mode: str) -> Literal["judgment", "game"]:
    """The kind of record that a mode of judging makes."""
    return "judgment" if mode == "single" else "game"


def judge_of(slot: Slot) -> str:
    """The judge in the slot of a judgment or game: both end with judge, prompt set, references and repeat."""
    return str(slot[-4])


class _Judged(_Journaled):
    """A judge's reply. `judge` is [judge name, prompt name] as in FastChat; `sampling` is what was sent.

    `attempts` counts the calls that it took: those before left an `AttemptRecord` each. `batch` is the line of a batch
    (`BatchRecord.line`) that it came from, at half the price; None for a call of its own.
    """

    judge: list[str] = Field(min_length=2, max_length=2)
    user_prompt: str
    judgment: str
    outcome: Literal["scored", "unscored"]
    reason: str | None = None
    prompt_set: str
    references: References
    repeat: int = 0
    attempts: int = 1
    finish_reason: str | None = None
    usage: dict[str, int] = {}
    sampling: dict[str, Any] = {}
    judge_reported: str | None = None
    batch: str | None = None

    @property
    def with_what(self) -> tuple[str, str, str, int]:
        """Judge, prompt set, source of references and repeat: the end of the slot."""
        return self.judge[0], self.prompt_set, self.references.source, self.repeat


class JudgmentRecord(_Judged):
    """A grade for one turn. `score` is -1 when the reply held no verdict, as in FastChat. `answers_sha256` is the
    hash of the turns that were judged, so that a judgment of replaced answers is known."""

    kind: Literal["judgment"] = "judgment"
    model: str
    answers_sha256: str
    score: float

    @property
    def slot(self) -> Slot:
        return judgment_slot(self.bench, self.model, self.question_id, self.choice, self.turn, *self.with_what)


class GameRecord(_Judged):
    """One comparison of two models' answers to a turn; FastChat plays two, and the second swaps the order.

    Attributes:
        game: 1 shows model_1 as A and model_2 as B, 2 the other way round.
        verdict: what the judge said, None where it said nothing readable.
        score: with prompts of the single type, the rating of the answer that this game shows (game 1: model_1's);
            the verdict then comes of both games.
        answers_sha256: hashes of the judged turns of model_1 and of model_2.
    """

    kind: Literal["game"] = "game"
    model_1: str
    model_2: str
    game: Literal[1, 2]
    answers_sha256: tuple[str, str]
    verdict: Literal["A", "B", "tie"] | None = None
    score: float | None = None

    @property
    def slot(self) -> Slot:
        second = self.model_2 if self.game == 1 else self.model_1
        return game_slot(self.bench, self.first, second, self.question_id, self.choice, self.turn, *self.with_what)

    @property
    def better(self) -> str | None:
        """The name of the model that the judge prefers, "tie", or None without a verdict."""
        if self.verdict in ("tie", None):
            return self.verdict
        return self.model_1 if (self.verdict == "A") == (self.game == 1) else self.model_2

    @property
    def first(self) -> str:
        """The model that was shown as A."""
        return self.model_1 if self.game == 1 else self.model_2


class AttemptRecord(_Journaled):
    """The ledger of replies that were paid for and held no verdict, and that the judge was asked again after.

    `key` is that of the judgment or game that they were meant for, `model` as in a failure; `number` counts from 1;
    `batch` as in a judgment.
    """

    kind: Literal["attempt"] = "attempt"
    model: str
    judge: str
    number: int
    reason: str
    judgment: str
    finish_reason: str | None = None
    usage: dict[str, int] = {}
    judge_reported: str | None = None
    batch: str | None = None


class FailureRecord(_Journaled):
    """An item without a result. It stands in the slot of the record that it should have been.

    `reason` is a short code, `final` says that trying again cannot help (a context overflow), `usage` counts tokens
    that were spent all the same. `model` is of a game the one shown as A.
    """

    kind: Literal["failure"] = "failure"
    stage: Literal["answer", "judgment"]
    model: str
    failed_slot: list[Any]
    reason: str
    detail: str = ""
    final: bool = False
    usage: dict[str, int] = {}

    @property
    def slot(self) -> Slot:
        return tuple(self.failed_slot)


class BatchRecord(BaseModel):
    """Calls of a judge that were handed to OpenAI's Batch API together. It is written three times: before the batch is
    asked for, once it is there, and when its replies were fetched.

    Attributes:
        id: ours; it stands in the metadata of the batch, by which that is found again when its own id was lost.
        judge: the model that is asked.
        custom_ids: the lines of the batch. Each begins with the hash of its request, then "-" and a number.
        left_out: the sampling parameters that the endpoint does not take, and that were not sent.
        batch_id: the API's; None while it is not known.
        replies: how many lines have a reply that was paid for; None until they were fetched.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["batch"] = "batch"
    id: str
    judge: str
    custom_ids: list[str]
    left_out: list[str] = []
    input_file_id: str
    batch_id: str | None = None
    replies: int | None = None
    tstamp: float = Field(default_factory=time.time)

    @property
    def slot(self) -> Slot:
        return ("batch", self.id)

    def line(self, custom_id: str) -> str:
        """What a judgment says that was made of a line of this batch."""
        return f"{self.batch_id}/{custom_id}"


Judged = JudgmentRecord | GameRecord
Record = TurnRecord | Judged | FailureRecord | BatchRecord
JournalLine = Record | AttemptRecord
JOURNAL_LINE: TypeAdapter[JournalLine] = TypeAdapter(Annotated[JournalLine, Field(discriminator="kind")])
