"""Several judges, or the repeats of one, on the same answers: their mean, and how far they agree."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from mtbench_ko.stats.intervals import Array
from mtbench_ko.stats.scores import UNSCORED

_ITEM = ["model", "question_id", "choice", "turn"]


@dataclass(frozen=True)
class Agreement:
    """Two judges, or a judge with itself (`judges` the same twice), on the items that both scored.

    Attributes:
        items: pairs of scores; of repeats every two of one item.
        exact, within_one: share of pairs that are equal, and that differ by no more than 1.
        pearson, spearman: None where a judge gave all items the same score.
        mean_difference: of the first judge's score less the second's; of repeats the mean absolute difference.
    """

    judges: tuple[str, str]
    items: int
    exact: float
    within_one: float
    pearson: float | None
    spearman: float | None
    mean_difference: float


def panel(judgments: pd.DataFrame) -> pd.DataFrame:
    """One row for each item: the mean over judges of their mean over repeats, -1 where a judge has no score.

    A mean over those judges alone that answered would compare models by different judges.

    Args:
        judgments: columns judge, model, question_id, choice, turn, score, and category where it is known.
    """
    means = _by_judge(judgments)
    scores = means.mean(axis=1).where(means.notna().all(axis=1), UNSCORED)
    rows = scores.rename("score").reset_index()
    if "category" not in judgments:
        return rows
    categories = judgments.drop_duplicates("question_id").set_index("question_id")["category"]
    return rows.assign(category=rows["question_id"].map(categories))


def agreement(judgments: pd.DataFrame) -> list[Agreement]:
    """Of every two judges that scored the same items, and of each judge with itself where it has repeats.

    Args:
        judgments: columns judge, repeat, model, question_id, choice, turn, score.
    """
    means = _by_judge(judgments)
    both = [((str(one), str(two)), means[[one, two]]) for one, two in combinations(means.columns, 2)]
    for judge, own in judgments[judgments["score"] != UNSCORED].groupby("judge"):
        repeats = own.pivot_table(index=_ITEM, columns="repeat", values="score", aggfunc="last")
        pairs = [repeats[[one, two]].set_axis([0, 1], axis=1) for one, two in combinations(repeats.columns, 2)]
        both += [((str(judge), str(judge)), pd.concat(pairs))] if pairs else []
    return [_agreement(judges, scores.dropna().to_numpy()) for judges, scores in both if len(scores.dropna())]


def _by_judge(judgments: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each item (row) and judge (column), NaN where nothing was scored."""
    scores = judgments["score"].where(judgments["score"] != UNSCORED)
    keys = [judgments[name] for name in (*_ITEM, "judge")]
    return scores.groupby(keys).mean().unstack("judge")


def _agreement(judges: tuple[str, str], scores: Array) -> Agreement:
    """`scores`: shape (items, 2)."""
    apart = scores[:, 0] - scores[:, 1]
    varied = len(scores) > 1 and bool((np.ptp(scores, axis=0) > 0).all())
    return Agreement(
        judges=judges,
        items=len(scores),
        exact=float((apart == 0).mean()),
        within_one=float((np.abs(apart) <= 1).mean()),
        pearson=float(stats.pearsonr(*scores.T).statistic) if varied else None,
        spearman=float(stats.spearmanr(*scores.T).statistic) if varied else None,
        mean_difference=float((np.abs(apart) if judges[0] == judges[1] else apart).mean()),
    )
