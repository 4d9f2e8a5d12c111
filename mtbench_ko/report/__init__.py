"""What people read: tables."""

from mtbench_ko.report.judgments import Scoreboard, read_scoreboard
from mtbench_ko.report.tables import render

__all__ = ["Scoreboard", "read_scoreboard", "render"]
