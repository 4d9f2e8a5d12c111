"""The page's tables: leaderboard, categories, pairwise wins, and what the manifests say."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from mtbench_ko.report.judgments import Scoreboard
from mtbench_ko.report.sheets import Sheet, further_sheets, remarks
from mtbench_ko.stats import ModelScores

PLOT_WIDTH = 240
"""Of the interval plots, in the units of their SVG."""


def single_tables(board: Scoreboard, categories: Sequence[str]) -> dict[str, Any]:
    """The leaderboard and the table by category of a board of single grades."""
    models = cast(Mapping[str, ModelScores], board.models)
    intervals = [scores.ci["average"] or (scores.average, scores.average) for scores in models.values()]
    ends = [end for interval in intervals for end in interval if end is not None]
    low, high = (math.floor(min(ends)), math.ceil(max(ends))) if ends else (1, 10)
    high = max(high, low + 1)

    def at(score: float) -> float:
        return round((score - low) / (high - low) * PLOT_WIDTH, 1)

    return {
        "made": made(board),
        "categories": categories,
        "axis": [(at(mark), mark) for mark in range(low, high + 1)],
        "remarks": list(zip(remarks(board, "ko"), remarks(board, "en"), strict=True)),
        "rows": [
            vars(scores)
            | {
                "model": model,
                "interval": scores.ci["average"],
                "at": None if scores.average is None else at(scores.average),
                "span": scores.ci["average"] and [at(end) for end in scores.ci["average"]],
                "cells": [scores.categories.get(name) for name in categories],
            }
            for model, scores in models.items()
        ],
    }


def pair_tables(board: Scoreboard) -> dict[str, Any]:
    """Wins by model."""
    rows = [vars(scores) | {"model": model} for model, scores in board.models.items()]
    return {"made": made(board), "rows": rows, "baseline": board.baseline}


def made(board: Scoreboard) -> list[tuple[str, str, bool]]:
    """Judge, prompts and references of a board: the key of each name, its value, and whether that is a key too."""
    return [
        ("judge", board.judge, False),
        ("prompts", board.prompt_set or "not_recorded", board.prompt_set is None),
        ("references", f"source_{board.references}" if board.references else "not_recorded", True),
    ]


def further_tables(boards: Sequence[Scoreboard]) -> list[tuple[Sheet, Sheet]]:
    """What `show` prints beside the scores and the categories, each table in Korean and in English.

    Tables of several boards in one mode say whose they are.
    """
    modes = [board.mode for board in boards]
    return [
        (_of(board, ko), _of(board, en)) if modes.count(board.mode) > 1 else (ko, en)
        for board in boards
        for ko, en in zip(further_sheets(board, "ko"), further_sheets(board, "en"), strict=True)
    ]


def _of(board: Scoreboard, sheet: Sheet) -> Sheet:
    return replace(sheet, title=f"{sheet.title} · {board.judge}")


def fact_tables(manifests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What made the results, from the manifest of each output: tables of text; title and header are keys of words."""
    rows: dict[str, list[list[str]]] = {title: [] for title in _FACTS}
    for manifest in manifests:
        for name, judge in manifest.get("judges", {}).items():
            rows["judges"].append([name, *_cells(judge, "reported", "prompt_set", "references", "sampling", "cost")])
        for name, model in manifest.get("models", {}).items():
            rows["weights"].append([name, *_cells(model, "identity", "template_sha256", "system_prompt", "cost")])
        for name, sha256 in manifest.get("bench", {}).get("sha256", {}).items():
            rows["data_hashes"].append([name, _text(sha256)])
        for run in manifest.get("runs", []):
            versions = {"mtbench-ko": run.get("mtbench_ko"), "python": run.get("python"), **run.get("packages", {})}
            started = when(run["started"]) if "started" in run else "–"
            plan = {name: part for name, part in (run.get("placement") or {}).items() if name != "nodes"}
            counts = _cells(run.get("counts", {}), "answered", "scored", "unscored", "failed")
            rows["versions"].append([", ".join(f"{name} {version}" for name, version in versions.items() if version)])
            rows["runs"].append(
                [
                    started,
                    *_cells(run, "seconds", "gpu_hours"),
                    *counts,
                    *_cells(run, "tokens_generated", "cost"),
                    _text(plan),
                ]
            )
            for stay in run.get("schedule") or []:
                where = _text(stay.get("gpus") or stay.get("cpus"))
                times = _cells(stay, "loading", "ready", "answered", "left", "failed")
                rows["schedule"].append([f"{started} {stay.get('name')}", where, *times])
    return [
        {"title": title, "header": _FACTS[title], "rows": [list(row) for row in dict.fromkeys(map(tuple, found))]}
        for title, found in rows.items()
        if found
    ]


_FACTS = {
    "judges": ["judge", "reported_as", "prompts", "references", "sampling", "cost"],
    "weights": ["model", "identity", "chat_template", "system_prompt", "cost"],
    "data_hashes": ["file", "sha256"],
    "versions": [],
    "runs": [
        "started", "seconds", "gpu_hours", "answered", "scored", "unscored", "failed", "tokens_generated", "cost",
        "placement",
    ],
    "schedule": ["name", "where", "loading", "ready", "answered", "left", "failed"],
}  # fmt: skip


def _cells(facts: Mapping[str, Any], *names: str) -> list[str]:
    return [_text(facts.get(name)) for name in names]


def when(seconds: float) -> str:
    """A time since 1970 in UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _text(value: Any) -> str:
    """A value of a manifest in one cell: numbers with their thousands apart, mappings as their parts."""
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | float):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, Sequence):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False)
