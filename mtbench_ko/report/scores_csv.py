"""A scoreboard as a file for spreadsheets."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from mtbench_ko.report.judgments import Scoreboard
from mtbench_ko.report.sheets import COUNTS, WINS

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def scores_csv(boards: Sequence[Scoreboard]) -> str:
    """One row for each model over all categories ("all"), and one for each category; of several boards with the judge.

    Args:
        boards: one, or several of one mode.
    """
    single, several = boards[0].mode == "single", len(boards) > 1
    columns = ["rank", "turn_1", "turn_2", "average", "ci_low", "ci_high"] if single else list(WINS)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([*(["judge"] if several else []), "model", "category", *columns, *COUNTS])
    for board in boards:
        judge = [_safe(board.judge)] if several else []
        for model, category, scores in _rows(board):
            values = _grades(scores) if single else [getattr(scores, name) for name in WINS]
            counts = [scores.counts[name] for name in COUNTS]
            writer.writerow([*judge, _safe(model), _safe(category), *values, *counts])
    return stream.getvalue()


def _rows(board: Scoreboard) -> Iterator[tuple[str, str, Any]]:
    for model, scores in board.models.items():
        yield model, "all", scores
        for category, of_category in scores.categories.items():
            yield model, category, of_category


def _grades(scores: Any) -> list[Any]:
    low, high = scores.ci["average"] or ("", "")
    return [getattr(scores, "rank", ""), scores.turn_1, scores.turn_2, scores.average, low, high]


def _safe(name: str) -> str:
    """A name that a spreadsheet would run as a formula gets a leading apostrophe."""
    return f"'{name}" if name.startswith(_FORMULA) else name
