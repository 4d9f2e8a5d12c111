"""The lines of FastChat's judgment files, made from the journal. Judgments of answers since replaced are left out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import Winner, winner
from mtbench_ko.records import GameRecord, JudgmentRecord, TurnRecord
from mtbench_ko.store.views import turns_by, whole_choices

_OF_A_REPLY = ("reason", "attempts", "finish_reason", "usage")
_JUDGMENT_FIELDS = (
    "question_id", "model", "judge", "user_prompt", "judgment", "score", "turn", "tstamp",
    "key", "choice", "repeat", "prompt_set", "references", "outcome", *_OF_A_REPLY,
)  # fmt: skip
_PAIR_FIELDS = ("question_id", "judge", "turn", "choice", "repeat", "prompt_set", "references")


def judgment_lines(judgments: Iterable[JudgmentRecord], turns: Iterable[TurnRecord]) -> Iterator[dict[str, Any]]:
    """A line of <judge>_single.jsonl for each judgment."""
    answers = _Answers(turns)
    for row in sorted(judgments, key=lambda row: (row.model, row.question_id, row.choice, row.turn)):
        if answers.hold(row, row.model, row.answers_sha256):
            yield row.model_dump(mode="json", include=set(_JUDGMENT_FIELDS))


def pair_lines(games: Iterable[GameRecord], turns: Iterable[TurnRecord]) -> Iterator[dict[str, Any]]:
    """A line of <judge>_pair.jsonl for each pair of which both games have a reply.

    Which model is model_1 stays as it was when the pair was first judged.
    """
    answers = _Answers(turns)
    pairs: dict[tuple[Any, ...], list[GameRecord]] = defaultdict(list)
    for game in games:
        names = zip((game.model_1, game.model_2), game.answers_sha256, strict=True)
        if all(answers.hold(game, name, sha256) for name, sha256 in names):
            pair = tuple(sorted((game.model_1, game.model_2)))
            pairs[pair, game.question_id, game.choice, game.turn, game.with_what].append(game)
    for _, both in sorted(pairs.items(), key=lambda item: item[0]):
        if len(both) == 2:
            yield _pair_line(both)


def _pair_line(both: list[GameRecord]) -> dict[str, Any]:
    model_1, model_2 = both[0].model_1, both[0].model_2
    games = sorted(both, key=lambda game: game.first != model_1)
    winners = [_winner(game, model_1) for game in games]
    line: dict[str, Any] = {"model_1": model_1, "model_2": model_2}
    if all(game.score is not None for game in games):  # prompts of the single type: the ratings decide
        line |= {f"m{number}_score": game.score for number, game in enumerate(games, start=1)}
        winners = [winner(line["m1_score"], line["m2_score"])] * 2
    for number, game in enumerate(games, start=1):
        line |= {
            f"g{number}_winner": winners[number - 1],
            f"g{number}_user_prompt": game.user_prompt,
            f"g{number}_judgment": game.judgment,
        }
    dumped = [game.model_dump(mode="json") for game in games]
    return (
        {name: dumped[0][name] for name in _PAIR_FIELDS}
        | line
        | {
            "tstamp": max(game.tstamp for game in games),
            "key": [game.key for game in games],
            "outcome": "unscored" if "error" in winners else "scored",
        }
        | {name: [fields[name] for fields in dumped] for name in _OF_A_REPLY}
    )


def _winner(game: GameRecord, model_1: str) -> Winner:
    if game.better is None:
        return "error"
    if game.better == "tie":
        return "tie"
    return "model_1" if game.better == model_1 else "model_2"


class _Answers:
    """The answers that the journal holds at present."""

    def __init__(self, turns: Iterable[TurnRecord]) -> None:
        self._texts: dict[tuple[str, str, int, int], list[str]] = {}
        for group in turns_by(turns, lambda turn: (turn.bench, turn.model_id, turn.question_id, turn.choice)):
            first = group[0]
            whole = whole_choices(sorted(group, key=lambda turn: turn.turn)).get(first.choice, [])
            self._texts[first.bench, first.model_id, first.question_id, first.choice] = [turn.text for turn in whole]

    def hold(self, row: JudgmentRecord | GameRecord, model: str, sha256: str) -> bool:
        """Whether `row` was made of `model`'s present answer; one from a file alone is taken as present."""
        texts = self._texts.get((row.bench, model, row.question_id, row.choice))
        return texts is None or sha256 == sha256_json(texts[: row.turn])
