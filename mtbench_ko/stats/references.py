"""What corrected references changed: the same answers judged against both."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import pandas as pd

from mtbench_ko.stats.intervals import DIFFERENCES, Interval, mean_intervals
from mtbench_ko.stats.scores import UNSCORED


@dataclass(frozen=True)
class Change:
    """Mean score against the old references and against the new ones, of what has a score against both.

    Attributes:
        items: judgments compared.
        ci: 95 % interval of `difference` (new less old) by bootstrap over questions.
    """

    items: int
    before: float | None
    after: float | None
    difference: float | None
    ci: Interval | None


@dataclass(frozen=True)
class ReferenceEffect:
    """Attributes:
    before, after: the two sources of references.
    models: for each model "changed" (turns whose shown references differ), "unchanged" (the judge's own noise, if
        those were judged anew), and "all".
    turns: (question id, turn) of each changed turn -> the change over all models.
    """

    before: str
    after: str
    models: Mapping[str, Mapping[str, Change]]
    turns: Mapping[tuple[int, int], Change]

    def describe(self) -> dict[str, Any]:
        return asdict(self) | {
            "turns": [{"question_id": q, "turn": t, **asdict(change)} for (q, t), change in self.turns.items()]
        }


def reference_effect(
    judgments: pd.DataFrame, before: str = "upstream", after: str = "corrected"
) -> ReferenceEffect | None:
    """Compare judgments of the same answers against two sources of references; None if there are none.

    Args:
        judgments: of one judge and prompt set: columns model, question_id, turn, choice, repeat, score, source and
            sha256 (the hash of the references shown, None where none were).
    """
    slot = ["model", "question_id", "choice", "turn", "repeat"]
    scored = judgments[judgments["score"] != UNSCORED]
    old, new = (scored[scored["source"] == source].drop_duplicates(slot, keep="last") for source in (before, after))
    both = old.merge(new, on=slot, suffixes=("_before", "_after"))
    if both.empty:
        return None
    changed = both["sha256_before"].fillna("") != both["sha256_after"].fillna("")
    models = {
        str(model): {
            "changed": _change(rows[changed[rows.index]]),
            "unchanged": _change(rows[~changed[rows.index]]),
            "all": _change(rows),
        }
        for model, rows in both.groupby("model")
    }
    turns = {
        cast(tuple[int, int], turn): _change(rows, cluster="model")
        for turn, rows in both[changed].groupby(["question_id", "turn"])
    }
    return ReferenceEffect(before, after, models, turns)


def _change(rows: pd.DataFrame, cluster: str = "question_id") -> Change:
    if rows.empty:
        return Change(0, None, None, None, None)
    apart = (rows["score_after"] - rows["score_before"]).groupby(rows[cluster]).agg(["sum", "count"])
    sums, counts = (apart[[name]].to_numpy(dtype=float).T for name in ("sum", "count"))
    return Change(
        items=len(rows),
        before=float(rows["score_before"].mean()),
        after=float(rows["score_after"].mean()),
        difference=float(sums.sum() / counts.sum()),
        ci=mean_intervals(sums, counts, DIFFERENCES)[0],
    )
