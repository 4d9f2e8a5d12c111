"""The lines of FastChat's judgment files, made from the journal. Judgments of answers since replaced are left out."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import Winner, winner
from mtbench_ko.records import GameRecord, JudgmentRecord, Slot, TurnRecord, pair_order
from mtbench_ko.store.views import whole_choices

_OF_A_REPLY = ("reason", "attempts", "finish_reason", "usage", "judge_reported")
_JUDGMENT_FIELDS = (
    "question_id", "model", "judge", "user_prompt", "judgment", "score", "turn", "tstamp",
    "key", "choice", "repeat", "prompt_set", "references", "outcome", *_OF_A_REPLY,
)  # fmt: skip
_PAIR_FIELDS = ("question_id", "judge", "turn", "choice", "repeat", "prompt_set", "references")


def judgment_lines(judgments: Iterable[JudgmentRecord], answers: "PresentAnswers") -> Iterator[dict[str, Any]]:
    """A line of <judge>_single.jsonl for each judgment."""
    for row in judgments:
        if answers.hold(row, row.model, row.answers_sha256):
            yield row.model_dump(mode="json", include=set(_JUDGMENT_FIELDS))


def pair_lines(games: Iterable[GameRecord], answers: "PresentAnswers") -> Iterator[dict[str, Any]]:
    """A line of <judge>_pair.jsonl for each pair of which both games have a reply.

    `games` come in the order of their slots. Which model is model_1 stays as it was when the pair was first judged.
    """
    for _, group in groupby(games, lambda game: pair_order(game.slot)[:-1]):
        both = [
            game
            for game in group
            if answers.hold(game, game.model_1, game.answers_sha256[0])
            and answers.hold(game, game.model_2, game.answers_sha256[1])
        ]
        if len(both) == 2:
            yield _pair_line(sorted(both, key=lambda game: game.tstamp))


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


class PresentAnswers:
    """The hashes of the answers that the journal holds at present: of each conversation those of its first turns."""

    def __init__(self, turns: Iterable[TurnRecord]) -> None:
        self._sha256: dict[Slot, list[str]] = {}
        for what, group in groupby(turns, lambda turn: turn.slot[1:5]):
            texts = [turn.text for turn in whole_choices(group).get(what[-1], [])]
            self._sha256[what] = [sha256_json(texts[:count]) for count in range(1, len(texts) + 1)]

    def hold(self, row: JudgmentRecord | GameRecord, model: str, sha256: str) -> bool:
        """Whether `row` was made of `model`'s present answer; one from a file alone is taken as present."""
        present = self._sha256.get((row.bench, model, row.question_id, row.choice))
        return present is None or sha256 in present[row.turn - 1 : row.turn]
