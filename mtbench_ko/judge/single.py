"""Single-answer grading: one judgment for each turn of each answer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mtbench_ko.bench import Bench
from mtbench_ko.engine import CompletionFailed, Engine, Messages, Sampling
from mtbench_ko.hashing import sha256_json
from mtbench_ko.judge.prompts import JudgePrompt, PromptSet
from mtbench_ko.judge.verdict import RATING_SCHEMA, parse_rating
from mtbench_ko.records import FailureRecord, JudgmentRecord, References, Slot, judgment_slot
from mtbench_ko.store import RunStore


@dataclass(frozen=True)
class Judge:
    """Who judges and how. `identity` is the weights' or, for an endpoint, the model's name."""

    name: str
    identity: str
    prompts: PromptSet
    sampling: Sampling


@dataclass(frozen=True)
class Match:
    """One turn of one answer before the judge."""

    bench: str
    model: str
    question_id: int
    choice: int
    turn: int
    judge: Judge
    prompt: JudgePrompt
    messages: Messages
    answers_sha256: str
    references: References

    @property
    def key(self) -> str:
        """What the judgment depends on."""
        return sha256_json(
            {
                "judge": self.judge.identity,
                "sampling": asdict(self.judge.sampling),
                "messages": sha256_json(self.messages),
                "output_format": self.prompt.output_format,
                "repeat": 0,
            }
        )

    @property
    def slot(self) -> Slot:
        return judgment_slot(
            self.bench,
            self.model,
            self.question_id,
            self.choice,
            self.turn,
            self.judge.name,
            self.judge.prompts.name,
            self.references.source,
        )

    def saved(self, store: RunStore) -> JudgmentRecord | FailureRecord | None:
        """What an earlier run made of exactly these messages, which are never paid for twice."""
        record = store.get(self.slot)
        if isinstance(record, JudgmentRecord | FailureRecord) and record.key == self.key:
            return record
        same = store.scored(self.key)
        if same is None:
            return None
        # Judged already, under another source of references for example: the verdict is taken over, and its price not.
        return same.model_copy(update=self.about() | self.made_with() | {"usage": {}})

    def about(self) -> dict[str, Any]:
        """The fields that say what a record of this match is about."""
        return {
            "bench": self.bench,
            "question_id": self.question_id,
            "choice": self.choice,
            "turn": self.turn,
            "key": self.key,
            "model": self.model,
        }

    def made_with(self) -> dict[str, Any]:
        """The fields that say who judged, with which prompt and references."""
        return {
            "judge": [self.judge.name, self.prompt.name],
            "prompt_set": self.judge.prompts.name,
            "references": self.references,
        }


def single_match(
    bench: Bench, judge: Judge, model: str, question_id: int, choice: int, answers: Sequence[str]
) -> Match:
    """The match about turn len(answers): the judge sees the turns up to there and no thinking."""
    question = bench.questions[question_id]
    turn = len(answers)
    texts = bench.references.get(question_id)
    prompt = judge.prompts.single(turn, guided=texts is not None)
    if turn == 1:
        slots = {"question": question.turns[0], "answer": answers[0]}
    else:
        slots = {}
        for number, (asked, answered) in enumerate(zip(question.turns, answers, strict=False), start=1):
            slots |= {f"question_{number}": asked, f"answer_{number}": answered}
    references = References(source=bench.reference_source, sha256=None)
    if texts is not None:
        slots |= {f"ref_answer_{number}": text for number, text in enumerate(texts, start=1)}
        references = References(source=bench.reference_source, sha256=sha256_json(texts[:turn]))
    return Match(
        bench=bench.name,
        model=model,
        question_id=question_id,
        choice=choice,
        turn=turn,
        judge=judge,
        prompt=prompt,
        messages=prompt.messages(slots),
        answers_sha256=sha256_json(list(answers)),
        references=references,
    )


async def grade(match: Match, engine: Engine) -> JudgmentRecord | FailureRecord:
    """Ask the judge. A reply without a verdict is `unscored`, no reply a failure; neither is a score."""
    sampling = match.judge.sampling
    try:
        reply = await engine.complete(match.messages, sampling, RATING_SCHEMA)
    except CompletionFailed as error:
        return FailureRecord(
            **match.about(),
            stage="judgment",
            failed_slot=list(match.slot),
            reason=error.failure.reason,
            detail=error.failure.detail,
            final=error.failure.final,
        )
    cut_off = reply.finish_reason == "length"  # what looks like a verdict there may be a quotation
    rating = None if cut_off else parse_rating(reply.text, reply.structured)
    reason = None if rating is not None else "length" if cut_off else "no_verdict"
    return JudgmentRecord(
        **match.about(),
        **match.made_with(),
        user_prompt=match.messages[-1]["content"],
        judgment=reply.text,
        answers_sha256=match.answers_sha256,
        score=-1 if rating is None else rating,
        outcome="unscored" if rating is None else "scored",
        reason=reason,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        sampling=reply.sampling,
        judge_reported=reply.model,
    )
