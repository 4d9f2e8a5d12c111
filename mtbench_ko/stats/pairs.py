"""Wins of pairwise comparison as FastChat's show_result counts them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class PairScores:
    """How one model did against the others; the rates are None where it was in no comparison with a verdict.

    A comparison is both games of a pair about one turn. It is won where both games are, and a tie where they
    disagree.

    Attributes:
        win, loss, tie: comparisons.
        win_rate, loss_rate: their share of all with a verdict.
        win_rate_adjusted: a tie counts as half a win.
        counts: comparisons "scored" and "unscored" (a game without a verdict), and those that "failed".
    """

    win: int
    loss: int
    tie: int
    win_rate: float | None
    loss_rate: float | None
    win_rate_adjusted: float | None
    counts: Mapping[str, int]

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def score_pairs(games: pd.DataFrame, failed: Mapping[str, int], baseline: str | None = None) -> dict[str, PairScores]:
    """Scores by model, best adjusted win rate first; of a `baseline` only the others are shown, against it alone.

    Args:
        games: columns model_1, model_2, g1_winner, g2_winner, these "model_1", "model_2", "tie" or "error".
        failed: comparisons without a result, by model.
    """
    if baseline is not None:
        games = games[(games["model_1"] == baseline) | (games["model_2"] == baseline)]
    error = (games["g1_winner"] == "error") | (games["g2_winner"] == "error")
    winner = games["g1_winner"].where(games["g1_winner"] == games["g2_winner"], "tie").mask(error, "error")
    sides = [
        pd.DataFrame({"model": games[side], "result": winner.replace({side: "win", other: "loss"})})
        for side, other in (("model_1", "model_2"), ("model_2", "model_1"))
    ]
    results = pd.concat(sides)
    names = (set(results["model"]) | set(failed)) - {baseline}
    scores = {
        model: _score(results.loc[results["model"] == model, "result"].value_counts(), failed.get(model, 0))
        for model in sorted(names)
    }
    return dict(sorted(scores.items(), key=lambda item: -(item[1].win_rate_adjusted or 0)))


def _score(results: "pd.Series[int]", failed: int) -> PairScores:
    win, loss, tie, unscored = (int(results.get(name, 0)) for name in ("win", "loss", "tie", "error"))
    scored = win + loss + tie
    return PairScores(
        win=win,
        loss=loss,
        tie=tie,
        win_rate=win / scored if scored else None,
        loss_rate=loss / scored if scored else None,
        win_rate_adjusted=(win + 0.5 * tie) / scored if scored else None,
        counts={"scored": scored, "unscored": unscored, "failed": failed},
    )
