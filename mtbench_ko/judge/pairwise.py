"""Pairwise comparison: two games for each turn of each pair, which show the answers in both orders."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, Literal

from mtbench_ko.bench import Bench
from mtbench_ko.hashing import sha256_json
from mtbench_ko.judge.match import Judge, Match, conversation_slots, put_question
from mtbench_ko.judge.verdict import Verdict
from mtbench_ko.records import FailureRecord, GameRecord, Slot, game_slot

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Game(Match):
    """The answers of two models to one turn before the judge; game 1 shows model_1's as A, game 2 model_2's.

    With a prompt of the single type a game shows one answer alone, game 1 model_1's and game 2 model_2's.
    """

    model_1: str
    model_2: str
    game: Literal[1, 2]
    answers_sha256: tuple[str, str]

    @property
    def slot(self) -> Slot:
        second = self.model_2 if self.game == 1 else self.model_1
        return game_slot(self.bench, self.model, second, self.question_id, self.choice, self.turn, *self.with_what)

    def record(self, verdict: Verdict | None, **reply: Any) -> GameRecord:
        read = {"score": verdict} if isinstance(verdict, float) else {"verdict": verdict}
        return GameRecord(**self.about(), **self.made_with(), **self.subject(), **read, **reply)

    def subject(self) -> dict[str, Any]:
        return {
            "model_1": self.model_1,
            "model_2": self.model_2,
            "game": self.game,
            "answers_sha256": self.answers_sha256,
        }


def baseline_pairs(models: Collection[str], baseline: str) -> list[Pair]:
    """Every model against `baseline`, which is model_2, as in FastChat."""
    return [(model, baseline) for model in models if model != baseline]


def all_pairs(models: Collection[str]) -> list[Pair]:
    """Every two models, in the order of their names."""
    return list(combinations(sorted(models), 2))


class PairwiseComparison:
    """The matches of the pairwise modes: they come up when the second answer of a pair is there.

    Choice n of a model is compared with choice n of the other.
    """

    def __init__(self, bench: Bench, judge: Judge, pairs: Sequence[Pair]) -> None:
        self._bench = bench
        self._judge = judge
        self._pairs = pairs
        self._answers: dict[tuple[str, int, int], list[str]] = {}

    def expected(self, turns: Mapping[str, int]) -> int:
        """How many games answers with so many `turns` a model will make."""
        return 2 * sum(min(turns[a], turns[b]) for a, b in self._pairs) * self._judge.repeats

    def matches(self, model: str, question_id: int, choice: int, answers: Sequence[str]) -> list[Game]:
        """The games that turn len(answers) of `model` makes possible."""
        self._answers[model, question_id, choice] = list(answers)
        games = []
        for pair in self._pairs:
            held = [self._answers.get((name, question_id, choice), []) for name in pair]
            if model in pair and all(len(texts) >= len(answers) for texts in held):
                games += self._games(pair, question_id, choice, [texts[: len(answers)] for texts in held])
        return games

    def unmatched(self) -> Iterator[FailureRecord]:
        """A failure for each comparison that lacks the answer of one side."""
        seen = {(question_id, choice) for _, question_id, choice in self._answers}
        repeats = range(self._judge.repeats)
        for pair, (question_id, choice), repeat in product(self._pairs, sorted(seen), repeats):
            lengths = [len(self._answers.get((name, question_id, choice), [])) for name in pair]
            for turn in range(min(lengths) + 1, max(lengths) + 1):
                yield FailureRecord(
                    bench=self._bench.name,
                    question_id=question_id,
                    choice=choice,
                    turn=turn,
                    key="",
                    model=pair[0],
                    stage="judgment",
                    failed_slot=list(
                        game_slot(
                            self._bench.name,
                            *pair,
                            question_id,
                            choice,
                            turn,
                            self._judge.name,
                            self._judge.prompts.name,
                            self._bench.reference_source,
                            repeat,
                        )
                    ),
                    reason="no_counterpart",
                    detail=f"{pair[lengths[0] > lengths[1]]} has no answer to it",
                )

    def _games(self, pair: Pair, question_id: int, choice: int, held: list[list[str]]) -> list[Game]:
        turn = len(held[0])
        asked = self._bench.questions[question_id].turns
        prompt = self._judge.prompts.pairwise(turn, guided=question_id in self._bench.references)
        games = []
        for number in (1, 2):
            shown = held if number == 1 else held[::-1]
            if prompt.type == "single":
                slots = conversation_slots(asked, shown[0])
            else:
                slots = conversation_slots(asked, shown[0], "_a") | conversation_slots(asked, shown[1], "_b")
            games.append(
                Game(
                    **put_question(self._bench, self._judge, prompt, question_id, turn, slots),
                    choice=choice,
                    model=pair[number - 1],
                    model_1=pair[0],
                    model_2=pair[1],
                    game=number,
                    answers_sha256=(sha256_json(held[0]), sha256_json(held[1])),
                )
            )
        return [replace(game, repeat=repeat) for repeat in range(self._judge.repeats) for game in games]
