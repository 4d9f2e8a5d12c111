"""Which conversation is begun first: those that take long, so that no long one is left for the end."""

from collections.abc import Iterable

from mtbench_ko.generate.conversation import Conversation

# Mean characters of both answers to a question of MT-Bench, over seven models of 4B to 7B that FastChat's users
# published (70 answers a category; the lengths of one category vary by 0.4 to 1.4 of their mean).
_LENGTH = {
    "humanities": 4636,
    "stem": 3643,
    "writing": 3457,
    "roleplay": 2866,
    "coding": 2721,
    "reasoning": 1731,
    "extraction": 1165,
    "math": 1052,
}
_OF_ANY_CATEGORY = 2659


def expected_length(conversation: Conversation) -> float:
    """Characters that the answers will have, going by category and number of turns; only comparisons mean anything."""
    question = conversation.question
    return _LENGTH.get(question.category, _OF_ANY_CATEGORY) * len(question.turns)


def longest_first(conversations: Iterable[Conversation]) -> list[Conversation]:
    """The conversations in the order to begin them; those of a category stay in theirs."""
    return sorted(conversations, key=expected_length, reverse=True)
