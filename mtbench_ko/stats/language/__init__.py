"""The language of answers: scripts, Korean or not, foreign words in Korean sentences, speech level."""

from mtbench_ko.stats.language.checks import (
    AnswerCheck,
    LanguageSummary,
    TextCheck,
    check_answer,
    check_text,
    komt_penalty,
    summarize,
)

__all__ = [
    "AnswerCheck",
    "LanguageSummary",
    "TextCheck",
    "check_answer",
    "check_text",
    "komt_penalty",
    "summarize",
]
