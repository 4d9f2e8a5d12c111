"""From judgments to numbers. Knows nothing of files, Ray or models."""

from mtbench_ko.stats.pairs import PairScores, score_pairs
from mtbench_ko.stats.scores import ModelScores, score_models

__all__ = ["ModelScores", "PairScores", "score_models", "score_pairs"]
