"""What people read: tables."""

from mtbench_ko.report.judgments import Scoreboard, read_scoreboard
from mtbench_ko.report.language import CheckedAnswers, check_answers
from mtbench_ko.report.tables import render
from mtbench_ko.report.words import Language, words

__all__ = ["CheckedAnswers", "Language", "Scoreboard", "check_answers", "read_scoreboard", "render", "words"]
