"""Several judges of the same answers as one."""

from collections.abc import Sequence

import pandas as pd

from mtbench_ko.stats.scores import UNSCORED

ITEM = ["model", "question_id", "choice", "turn"]


def panel(judgments: pd.DataFrame, judges: Sequence[str]) -> pd.DataFrame:
    """One row for each item: the mean over judges of their mean over repeats, -1 where a judge has no score.

    A mean over those judges alone that answered would compare models by different judges.

    Args:
        judgments: columns judge, model, question_id, choice, turn, score, and category where it is known.
        judges: all of the panel, also those that have judged nothing.
    """
    means = by_judge(judgments).reindex(columns=list(judges))
    scores = means.mean(axis=1).where(means.notna().all(axis=1), UNSCORED)
    rows = scores.rename("score").reset_index()
    if "category" not in judgments:
        return rows
    categories = judgments.drop_duplicates("question_id").set_index("question_id")["category"]
    return rows.assign(category=rows["question_id"].map(categories))


def by_judge(judgments: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each item (row) and judge (column), NaN where nothing was scored."""
    scores = judgments["score"].where(judgments["score"] != UNSCORED)
    keys = [judgments[name] for name in (*ITEM, "judge")]
    return scores.groupby(keys).mean().unstack("judge")
