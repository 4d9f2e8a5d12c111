"""Wins of pairwise comparison as FastChat's show_result counts them, with intervals."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mtbench_ko.stats.categories import categories_of, of_category
from mtbench_ko.stats.intervals import SHARES, Array, Interval, mean_intervals
from mtbench_ko.stats.ratings import Rating, rate_models

_WORTH = {
    "win_rate": {"win": 1.0},
    "loss_rate": {"loss": 1.0},
    "win_rate_adjusted": {"win": 1.0, "tie": 0.5},
}


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
        ci: of "win_rate", "loss_rate" and "win_rate_adjusted", by bootstrap over questions.
        rating: None where the comparisons do not connect all models.
        categories: the same of each category of the question set, where it is known, without ratings.
    """

    win: int
    loss: int
    tie: int
    win_rate: float | None
    loss_rate: float | None
    win_rate_adjusted: float | None
    counts: Mapping[str, int]
    ci: Mapping[str, Interval | None]
    rating: Rating | None = None
    categories: Mapping[str, "PairScores"] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def score_pairs(
    games: pd.DataFrame, failed: pd.DataFrame | None = None, baseline: str | None = None
) -> dict[str, PairScores]:
    """Scores by model, best adjusted win rate first; of a `baseline` only the others are shown, against it alone.

    Args:
        games: columns question_id, model_1, model_2, g1_winner, g2_winner, these "model_1", "model_2", "tie" or
            "error", and category where it is known.
        failed: comparisons without a result, each once for either model: columns model, question_id, and category.
    """
    failed = pd.DataFrame({"model": [], "question_id": []}) if failed is None else failed
    if baseline is not None:
        games = games[(games["model_1"] == baseline) | (games["model_2"] == baseline)]
    results = by_side(games)
    models = sorted(({*results["model"], *failed["model"]}) - {baseline})
    scores = _score(results, models, failed)
    ratings = rate_models(results)
    by_category = {
        name: _score(of_category(results, name), models, of_category(failed, name))
        for name in categories_of(results, failed)
    }
    found = {
        model: replace(
            scores[model],
            rating=ratings.get(model),
            categories={name: of_models[model] for name, of_models in by_category.items()},
        )
        for model in models
    }
    return dict(sorted(found.items(), key=lambda item: -(item[1].win_rate_adjusted or 0)))


def by_side(games: pd.DataFrame) -> pd.DataFrame:
    """Two rows for each comparison, one from each model's side: columns model, other, result and those of `games`.

    `result` is "win", "loss", "tie" (the games disagree, or are ties both) or "error".
    """
    error = (games["g1_winner"] == "error") | (games["g2_winner"] == "error")
    winner = games["g1_winner"].where(games["g1_winner"] == games["g2_winner"], "tie").mask(error, "error")
    sides = [
        games.assign(model=games[side], other=games[other], result=winner.replace({side: "win", other: "loss"}))
        for side, other in (("model_1", "model_2"), ("model_2", "model_1"))
    ]
    return pd.concat(sides, ignore_index=True)


def _score(results: pd.DataFrame, models: list[str], failed: pd.DataFrame) -> dict[str, PairScores]:
    scored = results[results["result"] != "error"]
    counts = _by_question(scored.assign(value=1.0), models)
    sums = {
        name: _by_question(scored.assign(value=scored["result"].map(worth).fillna(0.0)), models)
        for name, worth in _WORTH.items()
    }
    intervals = {name: mean_intervals(values, counts, SHARES) for name, values in sums.items()}
    lost = Counter(failed["model"])
    totals = Counter(zip(results["model"], results["result"], strict=True))

    def rate(name: str, row: int) -> float | None:
        return float(sums[name][row].sum() / counts[row].sum()) if counts[row].any() else None

    return {
        model: PairScores(
            win=totals[model, "win"],
            loss=totals[model, "loss"],
            tie=totals[model, "tie"],
            win_rate=rate("win_rate", row),
            loss_rate=rate("loss_rate", row),
            win_rate_adjusted=rate("win_rate_adjusted", row),
            counts={
                "scored": int(counts[row].sum()),
                "unscored": totals[model, "error"],
                "failed": lost[model],
            },
            ci={name: intervals[name][row] for name in _WORTH},
        )
        for row, model in enumerate(models)
    }


def _by_question(results: pd.DataFrame, models: list[str]) -> Array:
    """The sum of `value`, shape (models, questions)."""
    table = results.pivot_table(index="model", columns="question_id", values="value", aggfunc="sum", fill_value=0.0)
    return np.asarray(table.reindex(models, fill_value=0.0).to_numpy(dtype=float))
