"""A scoreboard as text in the formats of `show`."""

import csv
import io
import json
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from mtbench_ko.report.judgments import Scoreboard
from mtbench_ko.stats import ModelScores

HEADER = ["model", "turn 1", "turn 2", "average", "95 % interval", "scored", "unscored", "failed"]


def render(board: Scoreboard, format: str) -> str:
    """`board` as "table", "csv", "json", "markdown" or "fastchat" (what FastChat's show_result prints)."""
    return _FORMATS[format](board)


def _table(board: Scoreboard) -> str:
    table = Table(*HEADER, title=_title(board), title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in _rows(board):
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=120)
    console.print(table, markup=False)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def _csv(board: Scoreboard) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["model", "turn_1", "turn_2", "average", "ci_low", "ci_high", "scored", "unscored", "failed"])
    for model, scores in board.models.items():
        low, high = scores.ci["average"] or ("", "")
        writer.writerow([model, scores.turn_1, scores.turn_2, scores.average, low, high, *scores.counts.values()])
    return stream.getvalue()


def _json(board: Scoreboard) -> str:
    return json.dumps(board.describe(), ensure_ascii=False, indent=2) + "\n"


def _markdown(board: Scoreboard) -> str:
    lines = [_title(board), "", _line(HEADER), _line(["---", *["---:"] * (len(HEADER) - 1)])]
    return "\n".join([*lines, *(_line(row) for row in _rows(board))]) + "\n"


def _fastchat(board: Scoreboard) -> str:
    parts = []
    for name, title in (("turn_1", "First turn"), ("turn_2", "Second turn"), ("average", "Average")):
        rows = [(model, getattr(scores, name)) for model, scores in board.models.items()]
        rows = sorted((row for row in rows if row[1] is not None), key=lambda row: -row[1])
        lines = [f"\n########## {title} ##########", *(f"{model:40} {mean:.6f}" for model, mean in rows)]
        parts.append("\n".join(lines))
    return "\n".join(parts) + "\n"


def _title(board: Scoreboard) -> str:
    facts = [f"judge {board.judge}"]
    facts += [f"prompts {board.prompt_set}"] if board.prompt_set else []
    facts += [f"references {board.references}"] if board.references else []
    return f"{board.bench or 'single-answer grading'}: {', '.join(facts)}"


def _rows(board: Scoreboard) -> list[list[str]]:
    return [[model, *_cells(scores)] for model, scores in board.models.items()]


def _cells(scores: ModelScores) -> list[str]:
    means = [f"{mean:.2f}" if mean is not None else "-" for mean in (scores.turn_1, scores.turn_2, scores.average)]
    ci = scores.ci["average"]
    return [*means, f"{ci[0]:.2f} - {ci[1]:.2f}" if ci else "-", *(str(count) for count in scores.counts.values())]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_FORMATS: dict[str, Callable[[Scoreboard], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
    "fastchat": _fastchat,
}
