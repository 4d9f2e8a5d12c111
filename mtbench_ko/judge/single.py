"""Single-answer grading: one judgment for each turn of each answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mtbench_ko.bench import Bench
from mtbench_ko.hashing import sha256_json
from mtbench_ko.judge.match import Judge, Match, conversation_slots, put_question
from mtbench_ko.judge.verdict import Verdict
from mtbench_ko.records import FailureRecord, JudgmentRecord, Slot, judgment_slot


@dataclass(frozen=True, kw_only=True)
class SingleMatch(Match):
    """One turn of one answer before the judge."""

    answers_sha256: str

    @property
    def slot(self) -> Slot:
        return judgment_slot(self.bench, self.model, self.question_id, self.choice, self.turn, *self.with_what)

    def subject(self) -> dict[str, Any]:
        return {"model": self.model, "answers_sha256": self.answers_sha256}

    def record(self, verdict: Verdict | None, **reply: Any) -> JudgmentRecord:
        fields = self.about() | self.made_with() | self.subject()
        return JudgmentRecord(**fields, score=-1 if verdict is None else verdict, **reply)


class SingleGrading:
    """The matches of `--mode single`."""

    def __init__(self, bench: Bench, judge: Judge) -> None:
        self._bench = bench
        self._judge = judge

    def expected(self, turns: Mapping[str, int]) -> int:
        """How many matches answers with so many `turns` a model will make."""
        return sum(turns.values()) * self._judge.repeats

    def unmatched(self) -> Iterable[FailureRecord]:
        """Nothing: each answer is judged by itself."""
        return ()

    def matches(self, model: str, question_id: int, choice: int, answers: Sequence[str]) -> list[SingleMatch]:
        """The matches about turn len(answers), one a repeat: the judge sees the turns up to there and no thinking."""
        guided = question_id in self._bench.references
        prompt = self._judge.prompts.single(len(answers), guided)
        slots = conversation_slots(self._bench.questions[question_id].turns, answers)
        match = SingleMatch(
            **put_question(self._bench, self._judge, prompt, question_id, len(answers), slots),
            choice=choice,
            model=model,
            answers_sha256=sha256_json(list(answers)),
        )
        return [replace(match, repeat=repeat) for repeat in range(self._judge.repeats)]
