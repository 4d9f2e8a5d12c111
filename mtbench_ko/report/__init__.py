"""What people read: tables, and the report as one HTML file."""

from mtbench_ko.report.gather import gather, open_questions
from mtbench_ko.report.judgments import Scoreboard, read_scoreboard
from mtbench_ko.report.language import CheckedAnswers, check_answers
from mtbench_ko.report.page import Report, write_report
from mtbench_ko.report.tables import render
from mtbench_ko.report.words import Language, words

__all__ = [
    "CheckedAnswers",
    "Language",
    "Report",
    "Scoreboard",
    "check_answers",
    "gather",
    "open_questions",
    "read_scoreboard",
    "render",
    "words",
    "write_report",
]
