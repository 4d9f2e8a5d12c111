"""Holding the two-turn conversations of a question set with a model."""

from mtbench_ko.generate.conversation import Conversation, Subject, converse
from mtbench_ko.generate.order import expected_length, longest_first
from mtbench_ko.generate.sampling import seed, temperature

__all__ = [
    "Conversation",
    "Subject",
    "converse",
    "expected_length",
    "longest_first",
    "seed",
    "temperature",
]
