"""How far two judges agree, or one with itself, on scores and on verdicts; intervals by bootstrap over questions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mtbench_ko.stats import chance
from mtbench_ko.stats.intervals import (
    CONFIDENCE,
    DIFFERENCES,
    SHARES,
    Array,
    Interval,
    mean_intervals,
    question_weights,
)
from mtbench_ko.stats.judges import ITEM, by_judge
from mtbench_ko.stats.scores import UNSCORED

COMPARISON = ["question_id", "model_a", "model_b", "choice", "turn"]
Measure = Callable[[Array, Array], Array]
"""From values and weights to a coefficient of each draw, as in `chance`."""
_RESAMPLES = 2_000
_BLOCK = 1_000_000  # drawn weights at once
_SAME = 1e-9
_DISTANCES: Interval = (0.0, DIFFERENCES[1])


@dataclass(frozen=True)
class Agreement:
    """Two judges, or a judge with itself (`judges` the same twice), on the items that both scored.

    Attributes:
        items: pairs of scores; of repeats every two of one item.
        exact, within_one: share of pairs that are equal, and that differ by no more than 1.
        pearson, spearman, kappa, weighted_kappa, alpha: correlations, Cohen's kappa, plain and with quadratic weights,
            and Krippendorff's alpha of the interval level; None where a judge gave all items the same score (kappa and
            alpha: where both gave the same one), or there is one item. Of repeats either may come first.
        mean_difference: of the first judge's score less the second's; of repeats the mean absolute difference.
        ci: of each of these; None with fewer than two questions, and of coefficients where no draw differs.
    """

    judges: tuple[str, str]
    items: int
    exact: float
    within_one: float
    pearson: float | None
    spearman: float | None
    mean_difference: float
    kappa: float | None
    weighted_kappa: float | None
    alpha: float | None
    ci: Mapping[str, Interval | None]

    def describe(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class VerdictAgreement:
    """Two judges of comparisons, or one with itself, as FastChat's compute_agreement counts them.

    Attributes:
        ties: whether pairs of votes count in which one is a tie (setup S1 of the MT-bench paper) or not (S2).
        total, agree: pairs of votes on one comparison, and those that say the same.
        ratio: None where there are no pairs.
        kappa, alpha: Cohen's and Krippendorff's, nominal; None where all votes say the same, or there is one pair.
        ci: of "ratio", "kappa" and "alpha".
    """

    judges: tuple[str, str]
    ties: bool
    total: int
    agree: int
    ratio: float | None
    kappa: float | None
    alpha: float | None
    ci: Mapping[str, Interval | None]

    def describe(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class PanelAlpha:
    """Krippendorff's alpha (interval) of three or more judges, on the items that at least two of them scored."""

    judges: Sequence[str]
    items: int
    alpha: float | None
    ci: Interval | None

    def describe(self) -> dict[str, Any]:
        return asdict(self)


def agreement(judgments: pd.DataFrame) -> list[Agreement]:
    """Of every two judges that scored the same items, and of each judge with itself where it has repeats.

    Args:
        judgments: columns judge, repeat, model, question_id, choice, turn, score.
    """
    means = by_judge(judgments)
    both = [((str(one), str(two)), means[[one, two]]) for one, two in combinations(means.columns, 2)]
    for judge, own in judgments[judgments["score"] != UNSCORED].groupby("judge"):
        repeats = own.pivot_table(index=ITEM, columns="repeat", values="score", aggfunc="last")
        pairs = [repeats[[one, two]].set_axis([0, 1], axis=1) for one, two in combinations(repeats.columns, 2)]
        both += [((str(judge), str(judge)), pd.concat(pairs))] if pairs else []
    shared = [(judges, scores.dropna()) for judges, scores in both]
    return [_of_scores(judges, scores) for judges, scores in shared if len(scores)]


def panel_alpha(judgments: pd.DataFrame) -> PanelAlpha | None:
    """Of all judges together; None with fewer than three. `judgments` as in `agreement`."""
    means = by_judge(judgments)
    shared = means[means.notna().sum(axis=1) > 1]
    if len(means.columns) < 3 or shared.empty:
        return None
    alpha = _Items.of(shared).estimate(chance.alpha)
    return PanelAlpha([str(judge) for judge in means.columns], len(shared), *alpha)


def verdict_agreement(votes: pd.DataFrame, one: str, two: str) -> list[VerdictAgreement]:
    """Every vote of `one` against every vote of `two` on the same comparison, with ties and without them.

    Where both are the same judge (or group of people), every two of its votes.

    Args:
        votes: columns judge, those of `COMPARISON` (model_a before model_b in the alphabet), and vote: 1 for
            model_a, -1 for model_b, 0 for a tie.
    """
    votes = votes.rename_axis("row").reset_index()
    first, second = (votes.loc[votes["judge"] == judge, [*COMPARISON, "row", "vote"]] for judge in (one, two))
    both = first.merge(second, on=COMPARISON, suffixes=("_1", "_2"))
    if one == two:
        both = both[both["row_1"] < both["row_2"]]
    pairs = both.set_index("question_id")[["vote_1", "vote_2"]]
    return [_of_votes((one, two), True, pairs), _of_votes((one, two), False, pairs[(pairs != 0).all(axis=1)])]


def _of_scores(judges: tuple[str, str], pairs: pd.DataFrame) -> Agreement:
    """`pairs`: a row for each item, indexed by `ITEM`, a column for each judge."""
    items, own = _Items.of(pairs), judges[0] == judges[1]
    apart = items.values[:, 0] - items.values[:, 1]
    exact, exact_ci = items.mean(apart == 0, SHARES)
    within_one, within_one_ci = items.mean(np.abs(apart) <= 1, SHARES)
    difference, difference_ci = items.mean(np.abs(apart), _DISTANCES) if own else items.mean(apart, DIFFERENCES)
    ordered = items.either_way() if own else items
    found = {name: ordered.estimate(measure) for name, measure in _COEFFICIENTS.items()}
    found["alpha"] = items.estimate(chance.alpha)
    return Agreement(
        judges=judges,
        items=len(pairs),
        exact=exact,
        within_one=within_one,
        mean_difference=difference,
        **{name: value for name, (value, _) in found.items()},
        ci={"exact": exact_ci, "within_one": within_one_ci, "mean_difference": difference_ci}
        | {name: ci for name, (_, ci) in found.items()},
    )


def _of_votes(judges: tuple[str, str], ties: bool, pairs: pd.DataFrame) -> VerdictAgreement:
    """`pairs`: a row for each pair of votes, indexed by question_id, a column for each judge."""
    if pairs.empty:
        return VerdictAgreement(judges, ties, 0, 0, None, None, None, dict.fromkeys(("ratio", "kappa", "alpha")))
    items = _Items.of(pairs)
    same = items.values[:, 0] == items.values[:, 1]
    ordered = items.either_way() if judges[0] == judges[1] else items
    found = {
        "ratio": items.mean(same, SHARES),
        "kappa": ordered.estimate(_COEFFICIENTS["kappa"]),
        "alpha": items.estimate(partial(chance.alpha, nominal=True)),
    }
    return VerdictAgreement(
        judges=judges,
        ties=ties,
        total=len(pairs),
        agree=int(items.counts[:, same].sum()),
        **{name: value for name, (value, _) in found.items()},
        ci={name: ci for name, (_, ci) in found.items()},
    )


_COEFFICIENTS: Mapping[str, Measure] = {
    "pearson": chance.pearson,
    "spearman": chance.spearman,
    "kappa": partial(chance.kappa, nominal=True),
    "weighted_kappa": chance.kappa,
}


@dataclass(frozen=True)
class _Items:
    """What judges said of items; items with the same `values` are counted together.

    Attributes:
        values: shape (kinds, judges).
        counts: shape (questions, kinds).
        number: of items.
    """

    values: Array
    counts: Array
    number: int

    @classmethod
    def of(cls, items: pd.DataFrame) -> "_Items":
        """`items`: a column for each judge, question_id in the index."""
        found = np.nan_to_num(items.to_numpy(dtype=float), nan=np.inf)  # NaN is not equal to itself
        values, kinds = np.unique(found, axis=0, return_inverse=True)
        names, questions = np.unique(items.index.get_level_values("question_id"), return_inverse=True)
        counts = np.zeros((len(names), len(values)))
        np.add.at(counts, (questions, kinds), 1)
        return cls(np.where(np.isinf(values), np.nan, values), counts, len(items))

    def either_way(self) -> "_Items":
        """Each item in both orders: of two votes of one judge neither is the first."""
        both = np.concatenate([self.values, self.values[:, ::-1]])
        return _Items(both, np.hstack([self.counts, self.counts]), self.number)

    def mean(self, of_kinds: npt.ArrayLike, scale: Interval) -> tuple[float, Interval | None]:
        counts = self.counts.sum(axis=1)
        sums = self.counts @ np.asarray(of_kinds, dtype=float)
        return float(sums.sum() / counts.sum()), mean_intervals(sums[None], counts[None], scale)[0]

    def estimate(self, measure: Measure) -> tuple[float | None, Interval | None]:
        """The coefficient, and the percentile interval where the draws have it and differ."""
        value = measure(self.values, self.counts.sum(axis=0)[None])[0]
        if self.number < 2 or np.isnan(value):
            return None, None
        questions = len(self.counts)
        if questions < 2:
            return float(value), None
        weights, size = question_weights(questions)[:, :_RESAMPLES].T, max(1, _BLOCK // len(self.values))
        drawn = np.concatenate(
            [measure(self.values, weights[start : start + size] @ self.counts) for start in range(0, _RESAMPLES, size)]
        )
        known = drawn[~np.isnan(drawn)]
        if len(known) < CONFIDENCE * _RESAMPLES or np.ptp(known) < _SAME:
            return float(value), None
        low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(value), (float(low), float(high))
