"""How often the order in which a judge was shown two answers decided, and how often it said the same of both."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mtbench_ko.stats.categories import categories_of, of_category
from mtbench_ko.stats.intervals import SHARES, Array, Interval, mean_intervals


@dataclass(frozen=True)
class PositionBias:
    """Of the comparisons of a judge (in a category) of which both games have a verdict; all rates None without any.

    Attributes:
        comparisons: how many there are; those that ratings decided have no order and are left out.
        consistent: share of them in which both games have the same verdict.
        first, second: share in which the answer shown first won both games, and the one shown second: order decided.
        ci: 95 % intervals of the three, by bootstrap over questions.
    """

    comparisons: int
    consistent: float | None
    first: float | None
    second: float | None
    ci: Mapping[str, Interval | None]
    categories: Mapping[str, "PositionBias"] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def position_bias(games: pd.DataFrame) -> PositionBias:
    """What the order of answers did in `games` of one judge.

    Args:
        games: columns question_id, g1_winner, g2_winner (game 1 shows model_1 first, game 2 model_2), and category
            where it is known.
    """
    games = games[(games["g1_winner"] != "error") & (games["g2_winner"] != "error")]
    return _of(games, {name: _of(of_category(games, name), {}) for name in categories_of(games)})


def _of(games: pd.DataFrame, categories: Mapping[str, PositionBias]) -> PositionBias:
    one, two = games["g1_winner"], games["g2_winner"]
    found = {
        "consistent": one == two,
        "first": (one == "model_1") & (two == "model_2"),
        "second": (one == "model_2") & (two == "model_1"),
    }
    questions = games["question_id"].to_numpy()
    names, at = np.unique(questions, return_inverse=True)
    counts = _sums(at, pd.Series(1.0, index=games.index), len(names))
    intervals = {
        name: mean_intervals(_sums(at, values, len(names)), counts, SHARES)[0] for name, values in found.items()
    }
    rates = {name: float(values.mean()) if len(games) else None for name, values in found.items()}
    return PositionBias(len(games), **rates, ci=intervals, categories=categories)


def _sums(at: "npt.NDArray[np.intp]", values: "pd.Series[Any]", questions: int) -> Array:
    """Shape (1, questions)."""
    return np.bincount(at, values.to_numpy(dtype=float), questions).astype(float)[None]
