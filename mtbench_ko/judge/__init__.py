"""Grading answers: prompts, matches, verdicts."""

from mtbench_ko.judge.match import Judge, Match, grade
from mtbench_ko.judge.pairwise import PairwiseComparison, all_pairs, baseline_pairs
from mtbench_ko.judge.prompts import PromptSet, load_prompts
from mtbench_ko.judge.single import SingleGrading

Matchmaker = SingleGrading | PairwiseComparison

__all__ = [
    "Judge",
    "Match",
    "Matchmaker",
    "PairwiseComparison",
    "PromptSet",
    "SingleGrading",
    "all_pairs",
    "baseline_pairs",
    "grade",
    "load_prompts",
]
