"""Means of single-answer grading as FastChat's show_result computes them, with intervals, ranks and counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mtbench_ko.stats.categories import categories_of, of_category
from mtbench_ko.stats.differences import Cells, Difference, compare_all, compare_to, places, smallest_difference
from mtbench_ko.stats.intervals import SCORES, Array, Interval, mean_intervals

UNSCORED = -1
Counts = Mapping[str, int]
"""Judgments "scored" and "unscored", and items that "failed"."""


@dataclass(frozen=True)
class Scores:
    """Scores of one model on 1..10, of all its judgments or of a category's; None where nothing was scored.

    Attributes:
        turn_1, turn_2: mean over the judgments of that turn.
        average: mean over all judgments (not of the two means), as FastChat computes it.
        ci: for each of the three the 95 % interval, by bootstrap over questions.
        counts: of all judgments.
        turn_counts: the same for "turn_1" and "turn_2".
    """

    turn_1: float | None
    turn_2: float | None
    average: float | None
    ci: Mapping[str, Interval | None]
    counts: Counts
    turn_counts: Mapping[str, Counts]


@dataclass(frozen=True)
class ModelScores(Scores):
    """What is known of one model.

    Attributes:
        rank: 1 + the models that are better beyond doubt, all pairs of models considered; shared by models that are
            not told apart. None where nothing was scored.
        places: the best place that is not excluded, which is the rank, and the worst.
        categories: the scores in each category of the question set, where it is known.
        versus: the difference to the baseline, if there is one and this is not it.
    """

    rank: int | None = None
    places: tuple[int, int] | None = None
    categories: Mapping[str, Scores] = field(default_factory=dict)
    versus: Difference | None = None

    def describe(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class SingleScores:
    """All models, best average first, and the run as a measuring device.

    Attributes:
        smallest_difference: the difference between two models that this run finds in 80 % of cases (5 % level), the
            median over all pairs of models; None with one model.
        constant: the score, if all judgments of at least two questions have the same: the judge may not look at all.
    """

    models: dict[str, ModelScores]
    smallest_difference: float | None
    constant: float | None


def score_models(
    judgments: pd.DataFrame, failed: pd.DataFrame | None = None, baseline: str | None = None
) -> SingleScores:
    """Scores of every model.

    Args:
        judgments: columns model, question_id, turn, score, and category where it is known; a score of -1 is
            unscored and left out of means.
        failed: items without a result: columns model, question_id, turn, and category.
        baseline: the model that the others are compared with.

    Raises:
        KeyError: nothing is known of `baseline`.
    """
    failed = judgments.iloc[:0] if failed is None else failed
    models = sorted({*judgments["model"], *failed["model"]})
    if baseline is not None and baseline not in models:
        raise KeyError(baseline)
    whole = _tally(judgments, failed, models)
    scores = _scores(whole)
    known = [row for row in range(len(models)) if scores[row].average is not None]
    cells = Cells([models[row] for row in known], whole.means[known])
    pairs = compare_all(cells)
    by_category = {
        category: _scores(_tally(of_category(judgments, category), of_category(failed, category), models))
        for category in categories_of(judgments, failed)
    }
    ranks = places(cells.models, pairs)
    versus = compare_to(baseline, cells, pairs) if baseline in cells.models else {}
    found = {
        model: ModelScores(
            **vars(scores[row]),
            rank=ranks[model][0] if model in ranks else None,
            places=ranks.get(model),
            categories={category: of_models[row] for category, of_models in by_category.items()},
            versus=versus.get(model),
        )
        for row, model in enumerate(models)
    }
    ordered = dict(sorted(found.items(), key=lambda item: -(item[1].average or 0)))
    return SingleScores(ordered, smallest_difference(pairs), _constant(judgments))


def compare_models(judgments: pd.DataFrame) -> dict[str, dict[str, Difference]]:
    """Every model's difference to every other: baseline -> model -> difference. `judgments` as in `score_models`."""
    models = sorted(judgments.loc[judgments["score"] != UNSCORED, "model"].unique())
    cells = Cells(models, _tally(judgments[judgments["model"].isin(models)], judgments.iloc[:0], models).means)
    pairs = compare_all(cells)
    return {model: compare_to(model, cells, pairs) for model in models}


@dataclass(frozen=True)
class _Tally:
    """Of some judgments, by model, question and turn."""

    models: list[str]
    turns: list[int]
    sums: Array  # (models, questions, turns)
    scored: Array
    unscored: npt.NDArray[np.int_]  # (models, turns)
    failed: npt.NDArray[np.int_]

    @property
    def means(self) -> Array:
        """(models, questions, turns), NaN where nothing was scored."""
        means: Array = self.sums / np.where(self.scored > 0, self.scored, np.nan)
        return means


def _tally(judgments: pd.DataFrame, failed: pd.DataFrame, models: list[str]) -> _Tally:
    questions = sorted(judgments["question_id"].unique())
    turns = sorted({1, 2, *judgments["turn"].unique(), *failed["turn"].unique()})
    shape = (len(models), len(questions), len(turns))

    def codes(frame: pd.DataFrame, of_questions: bool) -> "npt.NDArray[np.intp]":
        parts = [(frame["model"], models), (frame["question_id"], questions), (frame["turn"], turns)]
        step = 1 if of_questions else 2
        index = [pd.Categorical(column, categories=names).codes for column, names in parts[::step]]
        return np.ravel_multi_index([np.asarray(each, dtype=np.intp) for each in index], shape[::step])

    is_scored = judgments["score"] != UNSCORED
    scored, unscored = judgments[is_scored], judgments[~is_scored]
    at, size = codes(scored, True), int(np.prod(shape))
    per_turn = len(models) * len(turns)
    return _Tally(
        models=models,
        turns=turns,
        sums=np.bincount(at, scored["score"].to_numpy(dtype=float), size).astype(float).reshape(shape),
        scored=np.bincount(at, minlength=size).astype(float).reshape(shape),
        unscored=np.bincount(codes(unscored, False), minlength=per_turn).reshape(shape[::2]),
        failed=np.bincount(codes(failed, False), minlength=per_turn).reshape(shape[::2]),
    )


def _scores(tally: _Tally) -> list[Scores]:
    """In the order of `tally.models`."""
    first, second = tally.turns.index(1), tally.turns.index(2)
    parts = {"turn_1": [first], "turn_2": [second], "average": list(range(len(tally.turns)))}
    means, intervals, counts = {}, {}, {}
    for name, turns in parts.items():
        sums, scored = tally.sums[:, :, turns].sum(axis=2), tally.scored[:, :, turns].sum(axis=2)
        means[name] = [
            float(total / number) if number else None
            for total, number in zip(sums.sum(axis=1), scored.sum(axis=1), strict=True)
        ]
        intervals[name] = mean_intervals(sums, scored, SCORES)
        outcomes = (scored.sum(axis=1), tally.unscored[:, turns].sum(axis=1), tally.failed[:, turns].sum(axis=1))
        counts[name] = [
            {"scored": int(number), "unscored": int(unscored), "failed": int(failed)}
            for number, unscored, failed in zip(*outcomes, strict=True)
        ]
    return [
        Scores(
            turn_1=means["turn_1"][row],
            turn_2=means["turn_2"][row],
            average=means["average"][row],
            ci={name: intervals[name][row] for name in parts},
            counts=counts["average"][row],
            turn_counts={name: counts[name][row] for name in ("turn_1", "turn_2")},
        )
        for row in range(len(tally.models))
    ]


def _constant(judgments: pd.DataFrame) -> float | None:
    scored = judgments[judgments["score"] != UNSCORED]
    if scored["question_id"].nunique() < 2 or scored["score"].nunique() != 1:
        return None
    return float(scored["score"].iloc[0])
