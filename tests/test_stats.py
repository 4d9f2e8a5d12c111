"""Intervals that hold what they promise, ranks that do not tell equal models apart, runs in which little is known."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from simulated_scores import MODELS, TURNS, Array, Model, pairs_of_models, truth, unbounded

from mtbench_ko.stats import agreement, panel, position_bias, reference_effect, score_models, score_pairs
from mtbench_ko.stats.differences import Cells, Pairs, better, compare_all, smallest_difference
from mtbench_ko.stats.intervals import DIFFERENCES, SCORES, mean_intervals

QUESTIONS = 80
HONEST = (0.93, 0.97)


def coverage(drawn: Array, true: float, scale: tuple[float, float]) -> float:
    """The share of runs (draws, questions, turns) whose interval holds the truth."""
    intervals = mean_intervals(drawn.sum(axis=2), np.full(drawn.shape[:2], float(drawn.shape[2])), scale)
    return float(np.mean([ci is not None and ci[0] <= true <= ci[1] for ci in intervals]))


def difference_of(shift: float) -> Model:
    return lambda shape, rng: pairs_of_models(shape, rng, shift)


def test_intervals_of_means_hold_the_truth_in_95_of_100_runs() -> None:
    drawn = MODELS["strong"]((2000, QUESTIONS), np.random.default_rng(1))
    assert HONEST[0] <= coverage(drawn, truth(MODELS["strong"]), SCORES) <= HONEST[1]


def test_intervals_of_differences_hold_the_truth_in_95_of_100_runs() -> None:
    model = difference_of(1)
    drawn = model((2000, QUESTIONS), np.random.default_rng(2))
    assert HONEST[0] <= coverage(drawn, truth(model), DIFFERENCES) <= HONEST[1]


@pytest.mark.soak
def test_coverage_in_20000_runs_of_every_kind() -> None:
    """The figures of docs/scores.md. Near the ceiling too many intervals hold the truth, beyond any scale too few."""
    kinds: dict[str, tuple[Model, tuple[float, float], tuple[float, float]]] = {
        **{name: (model, SCORES, HONEST) for name, model in MODELS.items() if name != "ceiling"},
        "ceiling": (MODELS["ceiling"], SCORES, (0.93, 0.985)),
        "difference 0": (difference_of(0), DIFFERENCES, HONEST),
        "difference 1": (difference_of(1), DIFFERENCES, HONEST),
        "unbounded": (unbounded, (-math.inf, math.inf), (0.915, 0.97)),
    }
    found = {
        name: coverage(model((20_000, QUESTIONS), np.random.default_rng(3)), truth(model), scale)
        for name, (model, scale, _) in kinds.items()
    }
    print({name: f"{share:.4f}" for name, share in found.items()})
    assert [name for name, (_, _, bar) in kinds.items() if not bar[0] <= found[name] <= bar[1]] == []


def resolved(models: int, draws: int, make: Callable[[tuple[int, ...]], Array]) -> Iterator[bool]:
    """Whether any of so many equal models was found better than another, run by run."""
    batch = 50 * models
    for _ in range(draws * models // batch):
        pairs = compare_all(Cells([str(n) for n in range(batch)], make((batch, QUESTIONS))))
        for start in range(0, batch, models):
            some = slice(start, start + models)
            yield bool(better(Pairs(*(of_all[some, some] for of_all in pairs))).any())


def equal_models(rng: np.random.Generator) -> Callable[[tuple[int, ...]], Array]:
    """Skewed scores of models that are equally good: the questions are as hard for each, the rest is chance."""

    def make(shape: tuple[int, ...]) -> Array:
        ease = 10.4 - rng.exponential(1.8, (1, shape[1]))
        return np.clip(np.rint(ease[..., None] + rng.normal(0, 1.5, (*shape, TURNS))), 1, 10)

    return make


@pytest.mark.parametrize("models", [2, 5])
def test_equal_models_share_a_rank_in_93_of_100_runs(models: int) -> None:
    told_apart = list(resolved(models, 2000, equal_models(np.random.default_rng(4))))
    assert len(told_apart) == 2000
    assert 0.02 < np.mean(told_apart) < 0.07  # and at 5 % the procedure is not merely blind


def table(scores: dict[str, Array], **columns: object) -> pd.DataFrame:
    """Judgments of models whose scores have shape (questions, turns)."""
    rows = [
        {"model": model, "question_id": q, "turn": t + 1, "score": score, **columns}
        for model, of_model in scores.items()
        for q, of_question in enumerate(of_model)
        for t, score in enumerate(of_question)
    ]
    return pd.DataFrame(rows, columns=["model", "question_id", "turn", "score", *columns])


def test_difference_is_of_the_turns_that_both_models_have(rng: np.random.Generator) -> None:
    base = MODELS["middling"]((QUESTIONS,), rng)
    other = np.clip(base - (rng.random(base.shape) < 0.5), 1, 10)
    incomplete = other.copy()
    incomplete[:20] = -1  # unscored
    found = score_models(table({"base": base, "other": incomplete}), baseline="base").models
    versus = found["other"].versus
    assert versus is not None
    assert found["base"].versus is None
    assert versus.questions == 60
    assert versus.difference == pytest.approx((other - base)[20:].mean())
    apart = (other - base)[20:].sum(axis=1)
    assert versus.ci == mean_intervals(apart[None], np.full((1, 60), 2.0), DIFFERENCES)[0]
    assert versus.resolved
    error = apart.std(ddof=1) / 2 / math.sqrt(60)
    assert versus.minimum_detectable == pytest.approx((2.001 + 0.848) * error, rel=1e-3)  # t with 59 degrees of freedom
    assert found["other"].counts == {"scored": 120, "unscored": 40, "failed": 0}


def test_rank_counts_the_models_that_are_better_beyond_doubt(rng: np.random.Generator) -> None:
    ease = rng.normal(0, 2, (QUESTIONS, TURNS))
    scores = {name: np.clip(mean + ease + rng.normal(0, 1, ease.shape), 1, 10) for name, mean in
              (("a", 8.0), ("b", 7.95), ("c", 5.0), ("d", 3.0))}  # fmt: skip
    found = score_models(table(scores)).models
    assert {name: scores.rank for name, scores in found.items()} == {"a": 1, "b": 1, "c": 3, "d": 4}
    assert [scores.places for scores in found.values()] == [(1, 2), (1, 2), (3, 3), (4, 4)]


def test_smallest_difference_is_found_in_80_of_100_runs() -> None:
    rng = np.random.default_rng(6)

    def run(shift: float) -> Pairs:
        ease = rng.normal(6, 1.5, (QUESTIONS, 1))
        scores = [ease + apart + rng.normal(0, 1, (QUESTIONS, TURNS)) for apart in (0, shift)]
        return compare_all(Cells(["a", "b"], np.array(scores)))

    seen = np.mean([smallest_difference(run(0)) or 0 for _ in range(200)])
    assert 0.77 < np.mean([better(run(float(seen))).any() for _ in range(1000)]) < 0.83


def test_counts_stand_beside_every_mean() -> None:
    judged = table({"m": np.array([[8, -1], [6, 4], [-1, -1]])}).assign(category=["math", "math", "stem"] * 2)
    lost = pd.DataFrame({"model": ["m", "gone"], "question_id": [7, 7], "turn": [2, 1], "category": ["stem", "stem"]})
    found = score_models(judged, lost).models
    scores = found["m"]
    assert scores.counts == {"scored": 3, "unscored": 3, "failed": 1}
    assert scores.turn_counts == {
        "turn_1": {"scored": 2, "unscored": 1, "failed": 0},
        "turn_2": {"scored": 1, "unscored": 2, "failed": 1},
    }
    assert {name: dict(part.counts) for name, part in scores.categories.items()} == {
        "math": {"scored": 2, "unscored": 2, "failed": 0},
        "stem": {"scored": 1, "unscored": 1, "failed": 1},
    }
    assert (found["gone"].average, found["gone"].rank, found["gone"].counts["failed"]) == (None, None, 1)


@pytest.mark.parametrize(
    ("scores", "average", "ci"),
    [
        ({"m": np.full((1, 2), 7.0)}, 7, None),  # one question
        ({"m": np.full((5, 2), -1.0)}, None, None),  # nothing scored
        ({"m": np.full((80, 2), 7.0)}, 7, (6.729, 7.135)),  # no spread seen: not that there is none
        ({"m": np.full((80, 2), 10.0)}, 10, (9.594, 10)),  # a judge that always says 10
        ({"m": np.full((2, 2), 10.0)}, 10, (2.423, 10)),
        ({"m": np.array([[10.0, 10.0]] * 79 + [[9.0, 9.0]])}, 9.9875, (9.876, 10)),  # hardly any spread
    ],
    ids=["one question", "all unscored", "all equal", "always 10", "two equal questions", "one other score"],
)
def test_degenerate_runs_stay_honest(
    scores: dict[str, Array], average: float | None, ci: tuple[float, float] | None
) -> None:
    with np.errstate(all="raise"):  # nothing is divided by zero
        found = score_models(table(scores, category="math"), baseline="m")
    m = found.models["m"]
    assert m.average == average
    assert m.ci["average"] == (None if ci is None else pytest.approx(ci, abs=2e-3))
    assert (m.places, found.smallest_difference) == ((1, 1) if average else None, None)
    assert m.categories["math"].average == average


def test_equal_scores_are_not_told_apart_and_a_judge_without_opinion_is_named() -> None:
    same = np.full((QUESTIONS, 2), 10.0)
    found = score_models(table({"a": same, "b": same}), baseline="a")
    versus = found.models["b"].versus
    assert versus is not None
    assert (versus.difference, versus.minimum_detectable, versus.resolved) == (0, None, False)
    assert versus.ci == pytest.approx((-0.406, 0.406), abs=1e-3)
    assert [scores.places for scores in found.models.values()] == [(1, 2), (1, 2)]
    assert found.constant == 10
    # The same difference at each of 80 questions is beyond doubt, at each of 3 it is not.
    for questions, places in ((80, [(1, 1), (2, 2)]), (3, [(1, 2), (1, 2)])):
        apart = score_models(table({"a": same[:questions], "b": same[:questions] - 1}))
        assert [scores.places for scores in apart.models.values()] == places
    assert score_models(table({"a": same, "b": np.full((QUESTIONS, 2), -1.0)})).models["b"].places is None


def test_no_judgments_at_all() -> None:
    found = score_models(table({}), pd.DataFrame({"model": ["m"], "question_id": [1], "turn": [1]}))
    assert (found.models["m"].average, found.models["m"].counts["failed"], found.constant) == (None, 1, None)
    with pytest.raises(KeyError):
        score_models(table({}), baseline="m")


def games(*rows: tuple[int, str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["question_id", "model_1", "model_2", "g1_winner", "g2_winner"])


def test_ratings_are_bradley_terrys_and_finite_for_a_model_that_always_wins() -> None:
    rows = [(q, "a", "b", *["model_1" if q < 60 else "model_2"] * 2) for q in range(80)]
    found = score_pairs(games(*rows))
    odds = (60 + 0.5) / (20 + 0.5)  # the likelihood's maximum, with the one tie that every pair gets
    a, b = found["a"].rating, found["b"].rating
    assert a is not None
    assert b is not None
    assert a.rating - b.rating == pytest.approx(400 * math.log10(odds), abs=1e-3)
    assert a.rating + b.rating == pytest.approx(2000)
    assert a.ci is not None
    assert a.ci[0] < a.rating < a.ci[1]
    always = score_pairs(games(*[(q, "a", "b", "model_1", "model_1") for q in range(80)]))["a"]
    assert always.rating is not None
    assert always.rating.rating == pytest.approx(1000 + 200 * math.log10(161))
    assert always.ci["win_rate"] == pytest.approx((0.955, 1), abs=1e-3)
    apart = score_pairs(games((1, "a", "b", "tie", "tie"), (1, "c", "d", "tie", "tie")))
    assert [scores.rating for scores in apart.values()] == [None] * 4  # nothing connects them


def test_order_that_decides_is_counted() -> None:
    played = games(
        *[(q, "a", "b", "model_1", "model_2") for q in range(6)],  # who was shown first
        *[(q, "b", "a", "model_2", "model_1") for q in range(2)],  # who was shown second
        *[(q, "a", "b", "model_2", "model_2") for q in range(6, 10)],
        (11, "a", "b", "tie", "model_1"),
        (12, "a", "b", "error", "model_1"),
    )
    bias = position_bias(played.assign(category="stem"))
    assert (bias.comparisons, bias.consistent, bias.first, bias.second) == (13, 4 / 13, 6 / 13, 2 / 13)
    assert bias.categories["stem"].comparisons == 13
    none = position_bias(played[played["question_id"] == 12])
    assert (none.comparisons, none.consistent, none.ci["first"]) == (0, None, None)


def test_panel_is_the_mean_of_judges_that_all_scored() -> None:
    rows = [
        ("x", 0, 1, 8.0),
        ("y", 0, 1, 6.0),
        ("x", 0, 2, 10.0),
        ("y", 0, 2, -1.0),
        ("x", 1, 1, 9.0),
        ("y", 0, 3, 7.0),
    ]
    judged = pd.DataFrame(rows, columns=["judge", "repeat", "question_id", "score"]).assign(model="m", choice=0, turn=1)
    found = panel(judged, ["x", "y"]).set_index("question_id")["score"].to_dict()
    assert found == {1: (8.5 + 6) / 2, 2: -1, 3: -1}
    assert set(panel(judged, ["x", "y", "silent"])["score"]) == {-1}
    between, own = agreement(judged)
    assert (between.judges, between.items, between.exact, between.mean_difference) == (("x", "y"), 1, 0, 2.5)
    assert (own.judges, own.items, own.within_one, own.mean_difference, own.pearson) == (("x", "x"), 1, 1, 1, None)


def test_corrected_references_are_compared_turn_by_turn() -> None:
    def judged(source: str, score: float, question: int, sha256: str | None) -> dict[str, object]:
        return {"model": "m", "question_id": question, "choice": 0, "turn": 1, "repeat": 0, "score": score,
                "source": source, "sha256": sha256}  # fmt: skip

    rows = [
        judged("upstream", 3, 1, "old"), judged("corrected", 9, 1, "new"),
        judged("upstream", 5, 2, "old"), judged("corrected", 6, 2, "new"),
        judged("upstream", 7, 3, "same"), judged("corrected", 6, 3, "same"),
        judged("upstream", 7, 4, None), judged("upstream", 7, 5, "old"), judged("corrected", -1, 5, "new"),
    ]  # fmt: skip
    effect = reference_effect(pd.DataFrame(rows))
    assert effect is not None
    parts = effect.models["m"]
    assert {name: (part.items, part.before, part.after, part.difference) for name, part in parts.items()} == {
        "changed": (2, 4, 7.5, 3.5), "unchanged": (1, 7, 6, -1), "all": (3, 5, 7, 2),
    }  # fmt: skip
    assert {turn: change.difference for turn, change in effect.turns.items()} == {(1, 1): 6, (2, 1): 1}
    assert reference_effect(pd.DataFrame(rows[:1])) is None


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)
