"""How far two models are apart on the questions that both answered, and what this run could have seen.

scipy.stats takes a second to import, and a table of one model needs nothing of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mtbench_ko.stats.intervals import CONFIDENCE, DIFFERENCES, Array, Interval, mean_intervals, unseen_share

POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """A model's mean less that of the `baseline`, over the turns that both have a score for.

    Attributes:
        difference: None where no turn has both scores.
        ci: its 95 % interval by bootstrap over questions.
        minimum_detectable: the true difference that a run like this one finds in 80 % of cases, at the 5 % level.
        resolved: whether the interval excludes 0.
        questions: how many questions were compared.
    """

    baseline: str
    difference: float | None
    ci: Interval | None
    minimum_detectable: float | None
    resolved: bool
    questions: int


class Cells(NamedTuple):
    """Mean score of each model on each turn of each question: shape (models, questions, turns), NaN where none."""

    models: list[str]
    means: Array


class Pairs(NamedTuple):
    """Every two models compared, shape (models, models) each: row less column.

    `errors` are standard errors clustered on questions, NaN below two common questions.
    """

    differences: Array
    errors: Array
    questions: npt.NDArray[np.int_]


def compare_to(baseline: str, cells: Cells, pairs: Pairs) -> dict[str, Difference]:
    """Each other model's difference to `baseline`, which is one of `cells.models`; `pairs` are those of `cells`."""
    base = cells.means[cells.models.index(baseline)]
    apart = cells.means - base
    sums, counts = np.nansum(apart, axis=2), (~np.isnan(apart)).sum(axis=2).astype(float)
    column = cells.models.index(baseline)
    detectable = minimum_detectable(pairs)[:, column]
    found = {}
    for row, (model, ci) in enumerate(zip(cells.models, mean_intervals(sums, counts, DIFFERENCES), strict=True)):
        if model == baseline:
            continue
        total = counts[row].sum()
        found[model] = Difference(
            baseline=baseline,
            difference=float(sums[row].sum() / total) if total else None,
            ci=ci,
            minimum_detectable=_number(detectable[row]),
            resolved=ci is not None and not ci[0] <= 0 <= ci[1],
            questions=int(pairs.questions[row, column]),
        )
    return found


def compare_all(cells: Cells) -> Pairs:
    """Compare every two models. Takes memory for a few matrices of (models, models)."""
    models = len(cells.models)
    zero = np.zeros((models, models))
    d, n, dd, dn, nn = zero, zero.copy(), zero.copy(), zero.copy(), zero.copy()
    questions = np.zeros((models, models), dtype=int)
    for values in np.moveaxis(cells.means, 1, 0):  # a question: (models, turns)
        there = (~np.isnan(values)).astype(float)
        filled = np.nan_to_num(values)
        apart = filled @ there.T
        apart = apart - apart.T
        common = there @ there.T
        d, n, dd, dn, nn = d + apart, n + common, dd + apart**2, dn + apart * common, nn + common**2
        questions += common > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = d / n
        squares = np.maximum(dd - 2 * mean * dn + mean**2 * nn, 0)
        squares[squares < 1e-9] = 0  # rounding is no spread
        errors = np.sqrt(squares * questions / (questions - 1)) / n
    errors[questions < 2] = np.nan
    return Pairs(mean, errors, questions)


def minimum_detectable(pairs: Pairs) -> Array:
    """For every two models the difference that is found with 80 % power; NaN where their errors say nothing."""
    from scipy.stats import t

    questions, at = np.unique(pairs.questions, return_inverse=True)
    freedom = np.where(questions > 1, questions - 1, np.nan)
    factor = t.ppf((1 + CONFIDENCE) / 2, freedom) + t.ppf(POWER, freedom)
    found: Array = np.where(pairs.errors > 0, factor[at.reshape(pairs.errors.shape)] * pairs.errors, np.nan)
    return found


def smallest_difference(pairs: Pairs) -> float | None:
    """The median over all pairs of models of what their comparison could have found; None without a pair."""
    if len(pairs.errors) < 2:
        return None
    every = minimum_detectable(pairs)[np.triu_indices(len(pairs.errors), 1)]
    every = every[~np.isnan(every)]
    return float(np.median(every)) if len(every) else None


def better(pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Which row is better than which column beyond doubt, all pairs at once at the 5 % level.

    Games and Howell's procedure: Tukey's studentized range for so many models, with each pair's own standard error.
    """
    models = len(pairs.errors)
    found = np.zeros((models, models), dtype=bool)
    for n in np.unique(pairs.questions[pairs.questions > 1]):
        if models < 2:
            break
        these = pairs.questions == n
        bar = _tukey(models, int(n))
        share = unseen_share(int(n), (1 - CONFIDENCE) / (models * (models - 1) / 2))
        doubt = np.where(pairs.errors > 0, bar * pairs.errors, share * (pairs.differences + DIFFERENCES[1]))
        found |= these & (pairs.differences > doubt)
    return found


def places(models: Sequence[str], pairs: Pairs) -> dict[str, tuple[int, int]]:
    """The best and the worst place that each model may have: behind those surely better, before those surely worse.

    The best is its rank. Two models of which neither is surely better share one, unless a third is between them.
    """
    wins = better(pairs)
    return {
        model: (1 + int(wins[:, row].sum()), len(models) - int(wins[row].sum())) for row, model in enumerate(models)
    }


@cache
def _tukey(models: int, questions: int) -> float:
    """How many standard errors apart two of `models` are beyond doubt."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(CONFIDENCE, models, questions - 1) / np.sqrt(2))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
