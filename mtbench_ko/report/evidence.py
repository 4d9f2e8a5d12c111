"""What the page shows of each question: answers, what the judge said of them, references, and what went wrong."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mtbench_ko.bench import Bench, QuestionNote
from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import Answer, Choice, JudgmentText, PairText
from mtbench_ko.records import FailureRecord
from mtbench_ko.report.language import CheckedAnswers
from mtbench_ko.report.markup import explanation, render
from mtbench_ko.stats.scores import UNSCORED

FLAGS = (
    "truncated", "unscored", "failed", "not_korean", "switched", "mixed_levels", "level_changed", "flawed", "split",
)  # fmt: skip
"""What the page can filter by, beside model, category and score; the four in the middle come from `check_answer`."""
_THINKING = 1_200_000
"""Characters of thinking that the page holds at most, so that it can still be mailed: every thought its share."""
_SUMMARY = 120


@dataclass(frozen=True)
class Evidence:
    """What the outputs hold on `bench`: of judgments and pairs those of the scoreboards alone.

    Attributes:
        flaws: question id -> what is wrong with the question itself.
        language: what was found of the answers' language.
    """

    bench: Bench
    answers: Sequence[tuple[str, Answer]]
    judgments: Sequence[JudgmentText] = ()
    pairs: Sequence[PairText] = ()
    failures: Sequence[FailureRecord] = ()
    flaws: Mapping[int, QuestionNote] = field(default_factory=dict)
    language: CheckedAnswers = field(default_factory=dict)

    def describe(self, models: Sequence[str]) -> dict[str, Any]:
        """As JSON for the page's script, every text rendered; models, questions and turns by position in `models`."""
        place = {model: number for number, model in enumerate(models)}
        rows = {number: row for row, number in enumerate(self.bench.questions)}
        turns = self._turns()
        answers: list[dict[str, Any]] = [
            {"q": rows[number], "m": place[model], "choice": choice, "turns": self._fill(number, cells)}
            for (number, model, choice), cells in sorted(
                turns.items(), key=lambda item: (rows[item[0][0]], place[item[0][1]], item[0][2])
            )
        ]
        pairs = [_describe_pair(pair, rows[pair.question_id], place) for pair in self.pairs if pair.question_id in rows]
        used = {flag for answer in answers for turn in answer["turns"] for flag in turn["flags"]}
        used |= {"flawed"} if self.flaws else set()
        used |= {"split"} if any(pair["split"] for pair in pairs) else set()
        categories = [question.category for question in self.bench.questions.values()]
        return {
            "models": list(models),
            "categories": list(dict.fromkeys(categories)),
            "flags": [flag for flag in FLAGS if flag in used],
            "questions": [self._question(number) for number in self.bench.questions],
            "answers": answers,
            "games": pairs,
        }

    def models(self) -> set[str]:
        """Every model that something is known of."""
        names = {model for model, _ in self.answers} | {line.model for line in self.judgments}
        for pair in self.pairs:
            names |= {pair.model_1, pair.model_2}
        return names.union(*map(_sides, self.failures))

    def _turns(self) -> dict[tuple[int, str, int], dict[int, dict[str, Any]]]:
        """Question, model and choice -> turn from 1 -> what is known of it."""
        known: dict[tuple[int, str, int], dict[int, dict[str, Any]]] = defaultdict(lambda: defaultdict(_nothing))
        thoughts = sum(
            bool(text) for _, answer in self.answers for choice in answer.choices for text in choice.reasoning
        )
        share = _THINKING // max(1, thoughts)
        for model, answer in self.answers:
            for choice in answer.choices:
                checked = self.language.get((model, answer.question_id, choice.index))
                for number, cell in _answered(choice, checked.flags if checked else (), share):
                    known[answer.question_id, model, choice.index][number] = cell
        for line in self.judgments:
            cell = known[line.question_id, line.model, line.choice][line.turn]
            unscored = line.score == UNSCORED
            cell["judged"].append(
                {
                    "judge": line.judge[0],
                    "score": None if unscored else line.score,
                    "reason": (line.reason or "") if unscored else "",
                    "html": render(explanation(line.judgment or "")),
                }
            )
            if unscored:
                _flag(cell, "unscored")
        for failure in self.failures:
            sides = _sides(failure)
            words = [" vs ".join(sides)] if len(sides) > 1 else []
            for model in sides:
                cell = known[failure.question_id, model, failure.choice][failure.turn]
                cell["failures"].append(": ".join(filter(None, [*words, failure.reason, failure.detail])))
                _flag(cell, "failed")
        return {key: cells for key, cells in known.items() if key[0] in self.bench.questions}

    def _fill(self, number: int, cells: Mapping[int, dict[str, Any]]) -> list[dict[str, Any]]:
        turns = max(len(self.bench.questions[number].turns), *cells)
        return [cells.get(turn) or _nothing() for turn in range(1, turns + 1)]

    def _question(self, number: int) -> dict[str, Any]:
        question = self.bench.questions[number]
        reference = self.bench.references.get(number)
        flaw = self.flaws.get(number)
        return {
            "id": number,
            "category": question.category,
            "turns": [render(turn) for turn in question.turns],
            "summary": " ".join(question.turns[0].split())[:_SUMMARY],
            "reference": [render(turn) for turn in reference] if reference else None,
            "differs": bool(reference) and self._shown_another(number, reference or []),
            "flaw": flaw.model_dump(include={"severity", "reason"}) if flaw else None,
        }

    def _shown_another(self, number: int, reference: Sequence[str]) -> bool:
        """Whether some judgment of the question records another reference than `reference`, or none."""
        lines: list[JudgmentText | PairText] = [*self.judgments, *self.pairs]
        recorded = {
            (line.turn, line.references.sha256)
            for line in lines
            if line.question_id == number and line.references is not None
        }
        return any(sha256 != sha256_json(list(reference[:turn])) for turn, sha256 in recorded)


def _sides(failure: FailureRecord) -> list[str]:
    """The model that a failure leaves without a result, of a game both."""
    return failure.failed_slot[2:4] if failure.failed_slot[0] == "game" else [failure.model]


def _nothing() -> dict[str, Any]:
    return {"html": None, "flags": [], "judged": [], "failures": []}


def _flag(cell: dict[str, Any], flag: str) -> None:
    if flag not in cell["flags"]:
        cell["flags"].append(flag)


def _answered(choice: Choice, language: Sequence[Sequence[str]], share: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each turn, from 1, and what is known of it; of its thinking `share` characters."""
    for index, text in enumerate(choice.turns):
        cell = _nothing() | {"html": render(text), "flags": list(_at(language, index) or ())}
        if _at(choice.finish_reason, index) == "length":
            _flag(cell, "truncated")
        usage = _at(choice.usage, index) or {}
        if "completion_tokens" in usage:
            cell["tokens"] = usage["completion_tokens"]
        thinking = _at(choice.reasoning, index)
        if thinking:
            cell |= {
                "thinking": thinking[:share],
                "thinking_length": len(thinking),
                "cut": len(thinking) > share,
            }
        yield index + 1, cell


def _at(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _describe_pair(pair: PairText, row: int, place: Mapping[str, int]) -> dict[str, Any]:
    winners = {"model_1": place[pair.model_1], "model_2": place[pair.model_2], "tie": "tie", "error": "error"}
    first, second = winners[pair.g1_winner], winners[pair.g2_winner]
    return {
        "q": row,
        "turn": pair.turn,
        "judge": pair.judge[0],
        "choice": pair.choice,
        "m1": place[pair.model_1],
        "m2": place[pair.model_2],
        "split": first != second and "error" not in (first, second),
        "games": [
            {"first": place[shown], "winner": found, "html": render(explanation(said or ""))}
            for shown, found, said in (
                (pair.model_1, first, pair.g1_judgment),
                (pair.model_2, second, pair.g2_judgment),
            )
        ],
    }
