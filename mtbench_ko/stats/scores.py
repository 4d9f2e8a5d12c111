"""Means of single-answer grading as FastChat's show_result computes them, with intervals and counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

UNSCORED = -1
RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 20240312  # fixed, so that the same judgments always show the same interval


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model on 1..10; None where nothing was scored.

    Attributes:
        turn_1, turn_2: mean over the judgments of that turn.
        average: mean over all judgments (not of the two means), as FastChat computes it.
        ci: for each of the three the 95 % interval, by bootstrap over questions.
        counts: judgments "scored" and "unscored", and items that "failed".
    """

    turn_1: float | None
    turn_2: float | None
    average: float | None
    ci: Mapping[str, tuple[float, float] | None]
    counts: Mapping[str, int]

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def score_models(judgments: pd.DataFrame, failed: Mapping[str, int]) -> dict[str, ModelScores]:
    """Scores by model, best average first.

    Args:
        judgments: columns model, question_id, turn, score; a score of -1 is unscored and left out of means.
        failed: items without a result, by model.
    """
    scores = {
        str(model): _score(group, failed.get(str(model), 0)) for model, group in judgments.groupby("model", sort=True)
    }
    for model in failed.keys() - scores.keys():
        scores[model] = _score(judgments.iloc[:0], failed[model])
    return dict(sorted(scores.items(), key=lambda item: -(item[1].average or 0)))


def _score(judgments: pd.DataFrame, failed: int) -> ModelScores:
    scored = judgments[judgments["score"] != UNSCORED]
    parts = {
        "turn_1": scored[scored["turn"] == 1],
        "turn_2": scored[scored["turn"] == 2],
        "average": scored,
    }
    means = {name: float(part["score"].mean()) if len(part) else None for name, part in parts.items()}
    return ModelScores(
        **means,
        ci={name: interval(part) for name, part in parts.items()},
        counts={"scored": len(scored), "unscored": len(judgments) - len(scored), "failed": failed},
    )


def interval(scored: pd.DataFrame) -> tuple[float, float] | None:
    """95 % percentile interval of the mean score, resampling whole questions.

    The turns and choices of a question are not independent, so a question is drawn with all of them. None with
    fewer than two questions.
    """
    by_question = scored.groupby("question_id")["score"].agg(["sum", "count"]).to_numpy(dtype=float)
    questions = len(by_question)
    if questions < 2:
        return None
    draws = np.random.default_rng(_SEED).multinomial(questions, np.full(questions, 1 / questions), size=RESAMPLES)
    sums, counts = (draws @ by_question).T
    low, high = np.quantile(sums / counts, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
