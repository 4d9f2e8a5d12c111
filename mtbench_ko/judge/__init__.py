"""Grading answers: prompts, matches, verdicts."""

from mtbench_ko.judge.prompts import PromptSet, load_prompts
from mtbench_ko.judge.single import Judge, Match, grade, single_match
from mtbench_ko.judge.verdict import parse_rating

__all__ = ["Judge", "Match", "PromptSet", "grade", "load_prompts", "parse_rating", "single_match"]
