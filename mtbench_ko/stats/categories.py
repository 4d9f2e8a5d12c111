"""The categories of a question set in tables of rows that may have a category column."""

import pandas as pd


def categories_of(*frames: pd.DataFrame) -> list[str]:
    """All there are, in the order of the first question of each; none where no frame has the column."""
    found = [frame[["question_id", "category"]] for frame in frames if "category" in frame]
    if not found:
        return []
    return list(pd.concat(found).dropna().groupby("category")["question_id"].min().sort_values(kind="stable").index)


def of_category(frame: pd.DataFrame, category: str) -> pd.DataFrame:
    """Its rows of a category; none where it has no such column."""
    return frame[frame["category"] == category] if "category" in frame else frame.iloc[:0]
