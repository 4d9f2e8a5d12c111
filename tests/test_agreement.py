"""Agreement of judges: known answers, worked by hand or by other programs, and intervals that move with questions."""

import krippendorff
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mtbench_ko.stats import COMPARISON, agreement, panel_alpha, verdict_agreement


def graded(**scores: list[float]) -> pd.DataFrame:
    """Judgments of one model by judge; two turns to a question."""
    rows = [
        {
            "judge": judge,
            "repeat": 0,
            "model": "m",
            "question_id": n // 2,
            "choice": 0,
            "turn": n % 2 + 1,
            "score": score,
        }
        for judge, of_judge in scores.items()
        for n, score in enumerate(of_judge)
    ]
    return pd.DataFrame(rows)


def voted(*rows: tuple[str, int, int]) -> pd.DataFrame:
    """Votes on one pair of models: judge, question, vote."""
    frame = pd.DataFrame(rows, columns=["judge", "question_id", "vote"])
    return frame.assign(model_a="a", model_b="b", choice=0, turn=1)[["judge", *COMPARISON, "vote"]]


def test_scores_agree_as_worked_by_hand() -> None:
    """x and y differ by 0, 0, 1, 2.

    Both means are 6.5 and 7.25; the sums of squares 5 and 2.75 around them, of products 2.5. Quadratic kappa is
    1 − mean (x − y)² / mean over all pairs (x_i − y_j)² = 1 − 1.25 / (5/4 + 2.75/4 + 0.75²).
    Plain kappa: 2 of 4 equal; by chance (x: 5, 6, 7, 8; y: 6, 7, 8, 8) 1·1 + 1·1 + 1·2 of 16.
    Alpha: values 5 6 6 7 7 8 8 8 around 6.875 have the sum of squares 8.875; 1 − 1.25 / (2 · 8.875 / 7).
    """
    (found,) = agreement(graded(x=[5, 6, 7, 8], y=[6, 8, 7, 8]))
    assert (found.judges, found.items, found.exact, found.within_one) == (("x", "y"), 4, 0.5, 0.75)
    assert found.mean_difference == -0.75
    assert found.pearson == pytest.approx(2.5 / np.sqrt(5 * 2.75))
    assert found.weighted_kappa == pytest.approx(1 - 1.25 / (5 / 4 + 2.75 / 4 + 0.75**2))
    assert found.kappa == pytest.approx((0.5 - 4 / 16) / (1 - 4 / 16))
    assert found.alpha == pytest.approx(1 - 1.25 / (2 * 8.875 / 7))


def test_coefficients_are_those_of_scipy_and_krippendorff() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(1, 11, 160).astype(float)
    y, z = (np.clip(x + rng.integers(-2, 3, 160), 1, 10) for _ in range(2))
    (found, *_) = agreement(graded(x=list(x), y=list(y), z=list(z)))
    assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.alpha == pytest.approx(krippendorff.alpha(np.array([x, y]), level_of_measurement="interval"))
    z[:40] = np.nan
    three = panel_alpha(graded(x=list(x), y=list(y), z=[-1 if np.isnan(score) else score for score in z]))
    assert three is not None
    assert three.alpha == pytest.approx(krippendorff.alpha(np.array([x, y, z]), level_of_measurement="interval"))
    votes = [(judge, n, int(vote)) for judge, of in (("x", x), ("y", y)) for n, vote in enumerate(np.sign(of - 6))]
    (with_ties, _) = verdict_agreement(voted(*votes), "x", "y")
    signs = np.sign([x - 6, y - 6])
    assert with_ties.alpha == pytest.approx(krippendorff.alpha(signs, level_of_measurement="nominal"))


def test_votes_agree_as_worked_by_hand() -> None:
    """Of 10 comparisons 4 are equal wins of a, 2 of b, 1 tie; 1 is a win of a against b, 2 are ties against wins of a.

    Kappa with ties: 7 of 10; by chance x (a 5, b 2, tie 3) and y (a 6, b 3, tie 1) 30 + 6 + 3 of 100. Without: 6 of 7;
    by chance x (5, 2) and y (4, 3) 20 + 6 of 49. Alpha without: of 14 votes 9 and 5, 1 − 1/7 / (2 · 9 · 5 / (14 · 13)).
    """
    rows = [(1, 1)] * 4 + [(-1, -1)] * 2 + [(0, 0)] + [(1, -1)] + [(0, 1)] * 2
    votes = voted(*(("x", n, x) for n, (x, _) in enumerate(rows)), *(("y", n, y) for n, (_, y) in enumerate(rows)))
    ties, decided = verdict_agreement(votes, "x", "y")
    assert (ties.ties, ties.total, ties.agree, ties.ratio) == (True, 10, 7, 0.7)
    assert ties.kappa == pytest.approx((0.7 - 0.39) / (1 - 0.39))
    assert (decided.ties, decided.total, decided.agree, decided.ratio) == (False, 7, 6, 6 / 7)
    assert decided.kappa == pytest.approx((6 / 7 - 26 / 49) / (1 - 26 / 49))
    assert decided.alpha == pytest.approx(1 - (1 / 7) / (2 * 9 * 5 / (14 * 13)))


def test_people_are_compared_two_by_two_and_judges_with_every_one_of_them() -> None:
    """Three people make three pairs, two equal; a judge's vote stands against each of theirs."""
    votes = voted(("human", 1, 1), ("human", 1, 1), ("human", 1, -1), ("human", 2, 1), ("j", 1, 1), ("j", 3, 1))
    people, _ = verdict_agreement(votes, "human", "human")
    assert (people.total, people.agree) == (3, 1)
    judge, _ = verdict_agreement(votes, "j", "human")
    assert (judge.total, judge.agree) == (3, 2)
    (turned, _) = verdict_agreement(votes.iloc[::-1], "human", "human")
    assert turned == people  # the order of votes says nothing


def test_a_judge_agrees_with_itself_entirely() -> None:
    scores = [3.0, 9, 5, 7.5, 7, 10, 1, 2]
    (found,) = agreement(graded(x=scores, copy=scores))
    names = ("exact", "within_one", "pearson", "spearman", "kappa", "weighted_kappa", "alpha")
    assert [getattr(found, name) for name in names] == [1.0] * len(names)
    assert found.mean_difference == 0
    repeats = graded(x=scores)
    (own,) = agreement(pd.concat([repeats, repeats.assign(repeat=1)]))
    assert [getattr(own, name) for name in names] == [1.0] * len(names)
    three = panel_alpha(graded(x=scores, copy=scores, another=scores))
    assert three is not None
    assert three.alpha == 1
    votes = voted(*((judge, n, n % 3 - 1) for judge in ("x", "copy") for n in range(9)))
    assert [(each.ratio, each.kappa, each.alpha) for each in verdict_agreement(votes, "x", "copy")] == [(1, 1, 1)] * 2


def test_interval_moves_with_whole_questions() -> None:
    """Items that repeat others of their question tell nothing new: the interval is as wide as without them."""
    rng = np.random.default_rng(2)
    x = np.repeat(rng.integers(1, 11, 40), 2).astype(float)  # both turns of a question the same
    y = np.repeat(np.clip(x[::2] + rng.integers(-2, 3, 40), 1, 10), 2)
    (both,) = agreement(graded(x=list(x), y=list(y)))
    frame = graded(x=list(x), y=list(y))
    (one,) = agreement(frame[frame["turn"] == 1])
    for name in ("pearson", "spearman", "kappa", "weighted_kappa"):
        value, ci = getattr(one, name), one.ci[name]
        assert ci is not None
        assert ci[0] < value < ci[1]
        assert both.ci[name] == pytest.approx(ci), name
    assert both.ci["exact"] == pytest.approx(one.ci["exact"])


@pytest.mark.soak
def test_intervals_hold_the_truth_in_more_than_90_of_100_runs() -> None:
    """Half of the questions are easy to agree on: intervals over comparisons would hold the truth in 80 of 100 runs."""
    rng, runs = np.random.default_rng(3), 1000
    truth = {"ratio": 0.75, "kappa": 0.5, "alpha": 0.5}
    held = dict.fromkeys(truth, 0)
    questions = np.repeat(np.arange(80), 6)
    for _ in range(runs):
        x = rng.choice([-1, 1], len(questions))
        easy = rng.random(80) < 0.5
        y = np.where(rng.random(len(questions)) < np.where(easy, 1.0, 0.5)[questions], x, -x)
        votes = pd.DataFrame({"question_id": np.tile(questions, 2), "vote": np.concatenate([x, y])})
        pairs = np.tile(np.arange(len(questions)), 2).astype(str)
        votes = votes.assign(judge=np.repeat(["x", "y"], len(x)), model_a="", model_b=pairs, choice=0, turn=1)
        (found, _) = verdict_agreement(votes, "x", "y")
        for name, true in truth.items():
            low, high = found.ci[name] or (np.nan, np.nan)
            held[name] += low <= true <= high
    print(held)
    assert all(0.9 <= held[name] / runs <= 0.97 for name in truth), held


def test_what_cannot_be_known_is_none_and_never_nan() -> None:
    (flat,) = agreement(graded(x=[7, 7, 7, 7], y=[7, 7, 7, 7]))
    assert (flat.exact, flat.pearson, flat.spearman, flat.kappa, flat.weighted_kappa, flat.alpha) == (1, *[None] * 5)
    (half,) = agreement(graded(x=[7, 7, 7, 7], y=[5, 7, 7, 9]))
    assert (half.pearson, half.kappa, half.weighted_kappa) == (None, 0, 0)  # y varies, and x knows nothing of it
    (single,) = agreement(graded(x=[7, 5], y=[7, 6]))
    assert set(single.ci.values()) == {None}  # one question
    assert agreement(graded(x=[7, -1], y=[-1, 7])) == []
    nothing, _ = verdict_agreement(voted(("x", 1, 1), ("y", 2, 1)), "x", "y")
    assert (nothing.total, nothing.ratio, nothing.kappa, nothing.alpha) == (0, None, None, None)
    (ties, decided) = verdict_agreement(voted(("x", 1, 0), ("y", 1, 0)), "x", "y")
    assert (ties.ratio, ties.kappa, ties.alpha, decided.ratio) == (1, None, None, None)
