"""Bradley-Terry strengths of models from their comparisons."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtbench_ko.stats.intervals import CONFIDENCE, Array, Interval, question_weights

RESAMPLES = 500
_ELO = 400 / np.log(10)
_MEAN = 1000.0
_PRIOR = 0.5


@dataclass(frozen=True)
class Rating:
    """Strength on Elo's scale: 400 more are odds of 10 to 1. The mean of all models is 1000.

    Attributes:
        ci: 95 % interval by bootstrap over questions; None with fewer than two questions.
    """

    rating: float
    ci: Interval | None


def rate_models(results: pd.DataFrame) -> dict[str, Rating]:
    """The rating of each model, by choix' iterative Luce spectral ranking (the maximum of the likelihood).

    A tie is half a win for either. Each two models that were compared get one tie more, so that a model that won
    every comparison has a finite rating.

    Args:
        results: of `by_side`: columns question_id, model, other, result.

    Returns:
        Nothing where the comparisons do not connect all models: ratings of unconnected models cannot be compared.
    """
    from scipy.sparse.csgraph import connected_components

    scored = results[results["result"] != "error"]
    models = sorted(scored["model"].unique())
    questions = sorted(scored["question_id"].unique())
    if not models:
        return {}
    worth = scored["result"].map({"win": 1.0, "tie": 0.5, "loss": 0.0}).to_numpy(dtype=float)
    wins = np.zeros((len(questions), len(models), len(models)))
    codes = [
        pd.Categorical(scored[column], categories=names).codes
        for column, names in (("question_id", questions), ("model", models), ("other", models))
    ]
    np.add.at(wins, tuple(codes), worth)
    played = wins.sum(axis=0)
    compared = (played + played.T) > 0
    if connected_components(compared, directed=False)[0] > 1:
        return {}
    prior = _PRIOR * compared
    ratings = _strengths(played + prior)
    if len(questions) < 2:
        return {model: Rating(float(rating), None) for model, rating in zip(models, ratings, strict=True)}
    weights = question_weights(len(questions))[:, :RESAMPLES]
    drawn = np.array([_strengths(one + prior) for one in np.tensordot(weights.T, wins, axes=1)])
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return {model: Rating(float(ratings[row]), (float(low[row]), float(high[row]))) for row, model in enumerate(models)}


def _strengths(wins: Array) -> Array:
    """`wins[i, j]`: how often i beat j."""
    import choix  # which imports scipy.stats, a second

    strengths: Array = choix.ilsr_pairwise_dense(wins)
    ratings: Array = _MEAN + _ELO * (strengths - strengths.mean())
    return ratings
