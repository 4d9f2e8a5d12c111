"""Tables: upstream's numbers from upstream's files, and one judge's judgments are never mixed with unlike ones."""

import csv
import json
import math
from pathlib import Path

import pytest
from conftest import Program

from mtbench_ko.config import TABLE_FORMATS
from mtbench_ko.report import read_scoreboard


def judgment(question: int, turn: int, score: float, **changes: object) -> dict[str, object]:
    line = {"question_id": question, "model": "m", "judge": ["j", "single-v1"], "score": score, "turn": turn}
    return line | {"user_prompt": "", "judgment": "", "tstamp": 0} | changes


def write(path: Path, lines: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_show_gives_exactly_upstreams_means(program: Program, upstream: Path) -> None:
    expected = json.loads((upstream / "upstream_judgments" / "expected.json").read_text())["single"]
    file = upstream / "upstream_judgments" / "single" / "gpt-4_single.jsonl"
    shown = json.loads(program("show", "--input-file", file, "--format", "json").stdout)
    assert (shown["mode"], shown["judge"]) == ("single", "gpt-4")
    for column in ("turn_1", "turn_2", "average"):
        assert {model: scores[column] for model, scores in shown["models"].items()} == expected[column]
    for scores in shown["models"].values():
        low, high = scores["ci"]["average"]
        assert low < scores["average"] < high


def test_unscored_is_counted_and_left_out_of_means(tmp_path: Path) -> None:
    path = write(tmp_path / "j_single.jsonl", [judgment(1, 1, 8), judgment(1, 2, -1), judgment(2, 1, 4)])
    scores = read_scoreboard([path]).models["m"]
    assert (scores.turn_1, scores.turn_2, scores.average) == (6, None, 6)
    assert scores.counts == {"scored": 2, "unscored": 1, "failed": 0}


def test_interval_is_the_bootstrap_over_questions(tmp_path: Path) -> None:
    """Both turns of a question move together, so the interval is as wide as that of the question means."""
    scores = [2, 4, 6, 8] * 20
    lines = [judgment(n, turn, score) for n, score in enumerate(scores) for turn in (1, 2)]
    low, high = read_scoreboard([write(tmp_path / "j_single.jsonl", lines)]).models["m"].ci["average"] or (0, 0)
    standard_error = math.sqrt(5) / math.sqrt(80)
    assert (high - low) / 2 == pytest.approx(1.96 * standard_error, rel=0.05)


@pytest.mark.parametrize(
    "change",
    [{"prompt_set": "other@1"}, {"references": {"source": "none", "sha256": None}}],
    ids=["prompts", "references"],
)
def test_unlike_judgments_are_never_averaged(tmp_path: Path, change: dict[str, object]) -> None:
    ours = {"prompt_set": "p@1", "references": {"source": "upstream", "sha256": "x"}, "tstamp": 1}
    path = write(
        tmp_path / "j_single.jsonl", [judgment(1, 1, 8, **ours), judgment(1, 1, 2, **(ours | change | {"tstamp": 2}))]
    )
    newest = read_scoreboard([path])
    assert newest.models["m"].average == 2
    assert (newest.prompt_set, newest.references) != ("p@1", "upstream")  # it names what it shows
    assert read_scoreboard([path], prompt_set="p@1", references="upstream").models["m"].average == 8


def test_every_format_is_printed_and_nothing_else(program: Program, tmp_path: Path) -> None:
    path = write(tmp_path / "j_single.jsonl", [judgment(1, 1, 8), judgment(2, 1, 4)])
    printed = {format: program("show", "--input-file", path, "--format", format).stdout for format in TABLE_FORMATS}
    assert json.loads(printed["json"])["models"]["m"]["average"] == 6
    assert next(csv.DictReader(printed["csv"].splitlines()))["average"] == "6.0"
    assert "| m | 6.00 | - | 6.00 |" in printed["markdown"]
    assert "########## First turn ##########" in printed["fastchat"]
    assert "6.000000" in printed["fastchat"]
    assert "6.00" in printed["table"]


def test_malformed_judgment_names_its_line(program: Program, tmp_path: Path) -> None:
    path = write(tmp_path / "j_single.jsonl", [judgment(1, 1, 8), {"question_id": 2}])
    result = program("show", "--input-file", path)
    assert result.returncode == 2
    assert "j_single.jsonl:2" in result.stderr
    assert "'model'" in result.stderr
