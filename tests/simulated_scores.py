"""Made-up runs of 80 questions whose true means are known, with the skews that judges' scores have."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
TURNS = 2


def _judged(quality: Array, rng: np.random.Generator, noise: float) -> Array:
    """Both turns of questions with this `quality`, shape (..., turns), as whole scores from 1 to 10."""
    turns = quality[..., None] + rng.normal(0, noise, (*quality.shape, TURNS))
    return np.clip(np.rint(turns), 1, 10)


def strong_model(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Most questions near 10, a tail of failures (skew about -1.6)."""
    return _judged(10.4 - rng.exponential(1.8, shape), rng, 0.7)


def weak_model(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Most questions near 1, some good ones (skew about +1.5)."""
    return _judged(1 + rng.gamma(1.2, 1.5, shape), rng, 0.8)


def middling_model(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """The whole scale (skew about -0.8)."""
    return _judged(1 + 9 * rng.beta(4, 1.2, shape), rng, 1.0)


def near_the_ceiling(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Nine in ten questions at 9 or 10, the others at 1 to 5 (skew about -2.6)."""
    bad = rng.random(shape) < 0.1
    return np.where(bad[..., None], rng.integers(1, 6, (*shape, TURNS)), rng.integers(9, 11, (*shape, TURNS)) * 1.0)


def unbounded(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Log-normal questions, which no judge's scale would allow (skew about +5.8): the method's limit."""
    return rng.lognormal(0, 1, shape)[..., None] + rng.lognormal(-1, 0.8, (*shape, TURNS))


Model = Callable[[tuple[int, ...], np.random.Generator], Array]
MODELS: dict[str, Model] = {
    "strong": strong_model, "weak": weak_model, "middling": middling_model, "ceiling": near_the_ceiling,
}  # fmt: skip


def truth(model: Model) -> float:
    """Its mean over endlessly many questions, to about 0.005."""
    return float(model((500_000,), np.random.default_rng(99)).mean())


def pairs_of_models(shape: tuple[int, ...], rng: np.random.Generator, shift: float) -> Array:
    """The difference of two models on the same questions, whose difficulty they share; skewed, mean about `-shift`."""
    ease = 10.5 - rng.exponential(2.0, shape)
    first = _judged(ease - shift * rng.exponential(1.0, shape), rng, 0.9)
    return first - _judged(ease, rng, 0.9)
