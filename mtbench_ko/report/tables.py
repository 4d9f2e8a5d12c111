"""A scoreboard as text in the formats of `show`."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtbench_ko.report.judgments import Scoreboard
from mtbench_ko.report.sheets import WINS, Sheet, sheets
from mtbench_ko.report.words import Language
from mtbench_ko.stats import ModelScores, PairScores
from mtbench_ko.terminal import printable

_WIDTH = 240  # where there is no terminal to ask


def render(board: Scoreboard, format: str, language: Language = "en") -> str:
    """`board` as "table", "csv", "json", "markdown" or "fastchat" (what FastChat's show_result prints).

    `language` is that of headings for people; what programs read is in English always.
    """
    if format in ("table", "markdown"):
        return for_people(sheets(board, language), format)
    text = _FOR_PROGRAMS[format](board)
    return printable(text) if format == "fastchat" else text


def for_people(shown: list[Sheet], format: str) -> str:
    """`shown` as "table" or "markdown"."""
    return printable(_table(shown) if format == "table" else _markdown(shown))


def csv_text(rows: list[dict[str, Any]]) -> str:
    """`rows` with the columns of all of them."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def json_text(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def ends(name: str, ci: tuple[float, float] | None) -> dict[str, float | None]:
    """The two columns of an interval."""
    low, high = ci or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _table(shown: list[Sheet]) -> str:
    console = Console(file=io.StringIO(), width=max(100, shutil.get_terminal_size((_WIDTH, 24)).columns))
    for number, sheet in enumerate(shown):
        if number:
            console.print()
        table = Table(title=Text(sheet.title), title_justify="left")
        for position, heading in enumerate(sheet.header):
            table.add_column(Text(heading), justify="right" if position else "left")
        for row in sheet.rows:
            table.add_row(*map(Text, row))  # a model's name may look like markup
        console.print(table)
        for remark in sheet.remarks:
            console.print(Text(remark))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def _markdown(shown: list[Sheet]) -> str:
    parts = []
    for sheet in shown:
        lines = [_line(sheet.header), _line(["---", *["---:"] * (len(sheet.header) - 1)]), *map(_line, sheet.rows)]
        parts += [sheet.title, "\n".join(lines), *sheet.remarks]
    return "\n\n".join(parts) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _csv(board: Scoreboard) -> str:
    rows = [{"model": model, **_flat(scores), **_beside(board, model)} for model, scores in board.models.items()]
    return csv_text(rows)


def _flat(scores: ModelScores | PairScores) -> dict[str, Any]:
    row: dict[str, Any]
    if isinstance(scores, PairScores):
        row = {name: getattr(scores, name) for name in WINS} | dict(scores.counts)
        row |= ends("adjusted_ci", scores.ci["win_rate_adjusted"])
        rating = scores.rating
        row |= {"rating": rating.rating if rating else None} | ends("rating_ci", rating.ci if rating else None)
    else:
        row = {name: getattr(scores, name) for name in ("turn_1", "turn_2", "average")}
        row |= ends("ci", scores.ci["average"]) | dict(scores.counts)
        row |= {"rank": scores.rank, "rank_worst": scores.places[1] if scores.places else None}
        row |= ends("turn_1_ci", scores.ci["turn_1"]) | ends("turn_2_ci", scores.ci["turn_2"])
    mean = "win_rate_adjusted" if isinstance(scores, PairScores) else "average"
    for name, part in scores.categories.items():
        row |= {f"{name}_{mean}": getattr(part, mean)} | ends(f"{name}_ci", part.ci[mean])
    return row


def _beside(board: Scoreboard, model: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    versus = getattr(board.models[model], "versus", None)
    if versus is not None:
        row |= {"difference": versus.difference, "minimum_detectable": versus.minimum_detectable}
        row |= ends("difference_ci", versus.ci)
    if model in board.language:
        told = board.language[model].describe()
        row |= {name: told[name] for name in ("not_korean", "switched", "mixed_levels", "level_changed")}
    return row


def _json(board: Scoreboard) -> str:
    return json_text(board.describe())


def _fastchat(board: Scoreboard) -> str:
    """As pandas prints FastChat's frames, with all rows."""
    if board.mode != "single":
        wins = {model: [getattr(scores, name) for name in WINS] for model, scores in board.models.items()}
        frame = pd.DataFrame.from_dict(
            {model: row for model, row in sorted(wins.items()) if None not in row}, orient="index", columns=list(WINS)
        )
        frame = frame.rename_axis("model")
        return _sorted(frame, "win_rate_adjusted")
    blocks = []
    for name, title, turn in (("turn_1", "First turn", 1), ("turn_2", "Second turn", 2), ("average", "Average", None)):
        means = {model: getattr(scores, name) for model, scores in sorted(board.models.items())}
        known = {model: mean for model, mean in means.items() if mean is not None}
        index = pd.Index(known, name="model")
        if turn is not None:
            index = pd.MultiIndex.from_product([index, [turn]], names=["model", "turn"])
        frame = pd.DataFrame({"score": list(known.values())}, index=index)
        blocks.append(f"\n########## {title} ##########\n{_sorted(frame, 'score')}")
    return "".join(blocks)


def _sorted(frame: pd.DataFrame, by: str) -> str:
    return frame.sort_values(by=by, ascending=False).to_string() + "\n"


_FOR_PROGRAMS: Mapping[str, Callable[[Scoreboard], str]] = {"csv": _csv, "json": _json, "fastchat": _fastchat}
