"""95 % intervals by bootstrap over questions, for many models at once.

The turns, choices and repeats of a question move together, so that a question is drawn with all of its judgments.
The interval is the studentized one (Efron and Tibshirani, An Introduction to the Bootstrap, 12.5): docs/scores.md has
the coverage that it was chosen for.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95
RESAMPLES = 10_000
SCORES: Interval = (1.0, 10.0)
DIFFERENCES: Interval = (SCORES[0] - SCORES[1], SCORES[1] - SCORES[0])
SHARES: Interval = (0.0, 1.0)
_SEED = 20240312  # fixed, so that the same judgments always show the same interval
_BLOCK = 250_000  # resampled numbers at once: what a processor has at hand


def mean_intervals(sums: Array, counts: Array, scale: Interval) -> list[Interval | None]:
    """The interval of each row's mean `sums.sum() / counts.sum()`; None with fewer than two questions.

    Args:
        sums, counts: shape (rows, questions): the sum and number of values of each question, 0 of both where a row
            has none.
        scale: the least and greatest value possible.
    """
    intervals = np.full((len(sums), 2), np.nan)
    questions = (counts > 0).sum(axis=1)
    for n in np.unique(questions[questions > 1]):
        rows = np.flatnonzero(questions == n)
        present = counts[rows] > 0
        s, c = sums[rows][present].reshape(-1, n), counts[rows][present].reshape(-1, n)
        size = max(1, _BLOCK // RESAMPLES)
        for start in range(0, len(rows), size):
            block = slice(start, start + size)
            intervals[rows[block]] = _studentized(s[block], c[block], scale)
    return [None if np.isnan(low) else (float(low), float(high)) for low, high in intervals]


def unseen_share(questions: "int | npt.NDArray[np.int_]", level: float = 1 - CONFIDENCE) -> "float | Array":
    """The share of questions that may be otherwise although `questions` drawn ones all agree (Clopper-Pearson)."""
    return 1 - (level / 2) ** (1 / np.asarray(questions, dtype=float))


def _studentized(s: Array, c: Array, scale: Interval) -> Array:
    """Shape (rows, 2). Every row has all of its questions."""
    n = s.shape[1]
    total = c.sum(axis=1)
    mean = s.sum(axis=1) / total
    u = s - mean[:, None] * c
    u[np.abs(u) < 1e-9] = 0  # rounding is no spread
    squares = (u**2).sum(axis=1)
    error = np.sqrt(squares * n / (n - 1)) / total

    weights = question_weights(n)
    drawn_c = c @ weights
    shift = (u @ weights) / drawn_c
    spread = u**2 @ weights - 2 * shift * ((u * c) @ weights) + shift**2 * (c**2 @ weights)
    # A draw may lack all spread, and its quotient would be infinite: one question in n stands for the sample's own.
    drawn_error = np.sqrt((spread * (n - 1) + squares[:, None]) / (n - 1)) / drawn_c
    with np.errstate(invalid="ignore"):
        t = shift / drawn_error
    low, high = np.quantile(t, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=1, overwrite_input=True)
    found = np.column_stack([mean - high * error, mean - low * error])

    # Where all questions agree there is nothing to draw from, and no spread was seen is not that there is none.
    share = unseen_share(n)
    worst = np.column_stack([mean - share * (mean - scale[0]), mean + share * (scale[1] - mean)])
    return np.clip(np.where(squares[:, None] > 0, found, worst), *scale)


@cache
def question_weights(questions: int) -> Array:
    """Shape (questions, RESAMPLES): how often each draw has each question."""
    draws = np.random.default_rng(_SEED).multinomial(questions, np.full(questions, 1 / questions), size=RESAMPLES)
    return np.ascontiguousarray(draws.T, dtype=float)
