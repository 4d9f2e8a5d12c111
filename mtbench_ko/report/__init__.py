"""What people read: tables, and the report as one HTML file."""

from mtbench_ko.report.agreement import read_judge_agreement, read_vote_agreement
from mtbench_ko.report.agreement_tables import render_agreement
from mtbench_ko.report.gather import gather, open_questions
from mtbench_ko.report.judgments import Scoreboard, read_scoreboard
from mtbench_ko.report.language import CheckedAnswers, check_answers
from mtbench_ko.report.page import Report, write_report
from mtbench_ko.report.tables import render

__all__ = [
    "CheckedAnswers",
    "Report",
    "Scoreboard",
    "check_answers",
    "gather",
    "open_questions",
    "read_judge_agreement",
    "read_scoreboard",
    "read_vote_agreement",
    "render",
    "render_agreement",
    "write_report",
]
