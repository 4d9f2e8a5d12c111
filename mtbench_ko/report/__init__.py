"""What people read: tables."""

from mtbench_ko.report.judgments import Scoreboard, read_scoreboard
from mtbench_ko.report.tables import FORMATS, render

__all__ = ["FORMATS", "Scoreboard", "read_scoreboard", "render"]
