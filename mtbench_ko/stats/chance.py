"""Agreement beyond chance, and correlation, in all draws of a bootstrap at once.

`values` has shape (items, judges); `w`, how often each draw has each item, (draws, items); the result (draws,), NaN
where nothing varies, so that chance alone would agree.

Kappa and alpha compare the squared distance of two values that was seen with the one that chance would give. Between
numbers that is quadratic weights and the interval level, between one-hot codes plain kappa and the nominal level.

Sources: Cohen, "A coefficient of agreement for nominal scales" (1960); Fleiss and Cohen, "The equivalence of weighted
kappa and the intraclass correlation coefficient" (1973); Krippendorff, "Computing Krippendorff's alpha-reliability"
(2011). The package `krippendorff`, which the tests compare with, takes 3 ms for one alpha of 1,600 items: too long for
thousands of draws.
"""

import numpy as np

from mtbench_ko.stats.intervals import Array

_ROUNDING = 1e-9


def kappa(values: Array, w: Array, nominal: bool = False) -> Array:
    """Cohen's kappa of two judges, with quadratic weights or `nominal`."""
    x, y = _points(values, nominal).swapaxes(0, 1)
    n = w.sum(axis=1)
    seen = w @ ((x - y) ** 2).sum(axis=1) / n
    means = ((w @ x) * (w @ y)).sum(axis=1) / n**2
    return _beyond(seen, w @ (x**2 + y**2).sum(axis=1) / n - 2 * means)


def alpha(values: Array, w: Array, nominal: bool = False) -> Array:
    """Krippendorff's alpha, interval or `nominal`; NaN where a judge has no value, each item has two or more."""
    points = _points(values, nominal)
    judges = (~np.isnan(values)).sum(axis=1)
    total, squares = np.nansum(points, axis=1), np.nansum(points**2, axis=(1, 2))
    within = squares - (total**2).sum(axis=1) / judges
    within[within < _ROUNDING] = 0
    n = w @ judges
    seen = w @ (2 * judges * within / (judges - 1)) / n
    spread = w @ squares / n - ((w @ total) ** 2).sum(axis=1) / n**2
    return _beyond(seen, 2 * spread * n / (n - 1))


def pearson(values: Array, w: Array) -> Array:
    """Pearson's correlation of two judges."""
    return _correlation(values[:, 0], values[:, 1], w)


def spearman(values: Array, w: Array) -> Array:
    """Spearman's correlation of two judges: each draw has ranks of its own, ties the mean rank."""
    return _correlation(_ranks(values[:, 0], w), _ranks(values[:, 1], w), w)


def _points(values: Array, nominal: bool) -> Array:
    """Shape (items, judges, dimensions): the numbers, or one-hot codes."""
    if not nominal:
        return values[..., None]
    missing = np.isnan(values)
    return np.where(missing[..., None], np.nan, values[..., None] == np.unique(values[~missing]))


def _beyond(seen: Array, chance: Array) -> Array:
    found = np.full(len(seen), np.nan)
    known = chance > _ROUNDING
    found[known] = 1 - seen[known] / chance[known]
    return found


def _correlation(x: Array, y: Array, w: Array) -> Array:
    """`x` and `y` have shape (items,) or (draws, items)."""
    n = w.sum(axis=1, keepdims=True)
    x, y = (values - (w * values).sum(axis=1, keepdims=True) / n for values in (x, y))
    spread = (w * (x * x)).sum(axis=1) * (w * (y * y)).sum(axis=1)
    found = np.full(len(w), np.nan)
    known = spread > _ROUNDING
    found[known] = (w * (x * y)).sum(axis=1)[known] / np.sqrt(spread[known])
    return found


def _ranks(values: Array, w: Array) -> Array:
    """Shape (draws, items)."""
    distinct, at = np.unique(values, return_inverse=True)
    counts = w @ (at[:, None] == np.arange(len(distinct)))
    ranks: Array = (counts.cumsum(axis=1) - (counts - 1) / 2)[:, at]
    return ranks
