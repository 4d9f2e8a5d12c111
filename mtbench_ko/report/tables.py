"""A scoreboard as text in the formats of `show`."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from mtbench_ko.report.judgments import Scoreboard
from mtbench_ko.stats import ModelScores, PairScores

_COUNTS = ["scored", "unscored", "failed"]


def render(board: Scoreboard, format: str) -> str:
    """`board` as "table", "csv", "json", "markdown" or "fastchat" (what FastChat's show_result prints)."""
    return _FORMATS[format](board)


@dataclass(frozen=True)
class _Layout:
    """The columns of a mode: for people, and for programs (`raw`)."""

    title: str
    header: list[str]
    cells: Callable[[Any], list[str]]
    raw_header: list[str]
    raw: Callable[[Any], list[Any]]


def _grades(scores: ModelScores) -> list[str]:
    means = [f"{mean:.2f}" if mean is not None else "-" for mean in (scores.turn_1, scores.turn_2, scores.average)]
    ci = scores.ci["average"]
    return [*means, f"{ci[0]:.2f} - {ci[1]:.2f}" if ci else "-"]


def _wins(scores: PairScores) -> list[str]:
    rates = (scores.win_rate, scores.loss_rate, scores.win_rate_adjusted)
    return [
        *map(str, (scores.win, scores.loss, scores.tie)),
        *("-" if rate is None else f"{rate:.3f}" for rate in rates),
    ]


_SINGLE = _Layout(
    "single-answer grading",
    ["turn 1", "turn 2", "average", "95 % interval"],
    _grades,
    ["turn_1", "turn_2", "average", "ci_low", "ci_high"],
    lambda scores: [scores.turn_1, scores.turn_2, scores.average, *(scores.ci["average"] or ("", ""))],
)
_WIN_FIELDS = ["win", "loss", "tie", "win_rate", "loss_rate", "win_rate_adjusted"]
_PAIRWISE = _Layout(
    "pairwise comparison",
    ["win", "loss", "tie", "win rate", "loss rate", "adjusted"],
    _wins,
    _WIN_FIELDS,
    lambda scores: [getattr(scores, name) for name in _WIN_FIELDS],
)


def _layout(board: Scoreboard) -> _Layout:
    return _SINGLE if board.mode == "single" else _PAIRWISE


def _table(board: Scoreboard) -> str:
    table = Table(*_header(board), title=_title(board), title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in _rows(board):
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=120)
    console.print(table, markup=False)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def _csv(board: Scoreboard) -> str:
    layout = _layout(board)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["model", *layout.raw_header, *_COUNTS])
    for model, scores in board.models.items():
        writer.writerow([model, *layout.raw(scores), *scores.counts.values()])
    return stream.getvalue()


def _json(board: Scoreboard) -> str:
    return json.dumps(board.describe(), ensure_ascii=False, indent=2) + "\n"


def _markdown(board: Scoreboard) -> str:
    header = _header(board)
    lines = [_title(board), "", _line(header), _line(["---", *["---:"] * (len(header) - 1)])]
    return "\n".join([*lines, *(_line(row) for row in _rows(board))]) + "\n"


def _fastchat(board: Scoreboard) -> str:
    if board.mode != "single":
        width = max(len(model) for model in board.models)
        head = f"{'model':{width}} " + " ".join(f"{name:>17}" for name in _WIN_FIELDS)
        rows = [
            f"{model:{width}} "
            + " ".join(f"{value:>17.6g}" if value is not None else f"{'NaN':>17}" for value in values)
            for model, values in ((model, _PAIRWISE.raw(scores)) for model, scores in board.models.items())
        ]
        return "\n".join([head, *rows]) + "\n"
    parts = []
    for name, title in (("turn_1", "First turn"), ("turn_2", "Second turn"), ("average", "Average")):
        means = [(model, getattr(scores, name)) for model, scores in board.models.items()]
        means = sorted((row for row in means if row[1] is not None), key=lambda row: -row[1])
        lines = [f"\n########## {title} ##########", *(f"{model:40} {mean:.6f}" for model, mean in means)]
        parts.append("\n".join(lines))
    return "\n".join(parts) + "\n"


def _title(board: Scoreboard) -> str:
    facts = [f"judge {board.judge}"]
    facts += [f"prompts {board.prompt_set}"] if board.prompt_set else []
    facts += [f"references {board.references}"] if board.references else []
    facts += [f"without {len(board.excluded)} flawed questions"] if board.excluded else []
    return f"{board.bench or _layout(board).title}: {', '.join(facts)}"


def _header(board: Scoreboard) -> list[str]:
    return ["model", *_layout(board).header, *_COUNTS]


def _rows(board: Scoreboard) -> list[list[str]]:
    cells = _layout(board).cells
    return [[model, *cells(scores), *map(str, scores.counts.values())] for model, scores in board.models.items()]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_FORMATS: dict[str, Callable[[Scoreboard], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
    "fastchat": _fastchat,
}
