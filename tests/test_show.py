"""Tables: upstream's numbers from upstream's files, and one judge's judgments are never mixed with unlike ones."""

import csv
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from conftest import Program

from mtbench_ko.bench import data_root
from mtbench_ko.config import TABLE_FORMATS
from mtbench_ko.report import read_scoreboard, render


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


@pytest.mark.parametrize("mode", ["single", "pairwise-all"])
def test_fastchat_format_is_what_show_result_prints(program: Program, upstream: Path, mode: str) -> None:
    """Its frames, made here as show_result.py makes them."""
    kind = "single" if mode == "single" else "pair"
    file = upstream / "upstream_judgments" / kind / f"gpt-4_{kind}.jsonl"
    lines = pd.read_json(file, lines=True)
    if mode == "single":
        scored = lines[lines["score"] != -1][["model", "score", "turn"]]
        frames = [scored[scored["turn"] == turn].groupby(["model", "turn"]).mean() for turn in (1, 2)]
        frames.append(scored[["model", "score"]].groupby(["model"]).mean())
        titles = ("First turn", "Second turn", "Average")
        printed = "".join(
            f"\n########## {title} ##########\n{frame.sort_values(by='score', ascending=False)}\n"
            for title, frame in zip(titles, frames, strict=True)
        )
    else:
        columns = ["win", "loss", "tie", "win_rate", "loss_rate", "win_rate_adjusted"]
        rows = json.loads((upstream / "upstream_judgments" / "expected.json").read_text())["pairwise_all"]
        frame = pd.DataFrame({model: row for model, row in rows.items() if model != "what"}).T.rename_axis("model")
        printed = f"{frame[columns].astype(dict.fromkeys(columns[:3], int))}\n"
    assert program("show", "--mode", mode, "--input-file", file, "--format", "fastchat").stdout == printed


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
    assert "| m | 1 | 6.00 | - | 6.00 |" in printed["markdown"]
    assert "########## First turn ##########" in printed["fastchat"]
    assert "6.0" in printed["fastchat"]
    assert "6.00" in printed["table"]


def test_output_is_shown_with_categories_language_and_panel_in_korean(program: Program, tmp_path: Path) -> None:
    """Model names and answers are hostile text; what one judge did not score is in no mean of the panel."""
    bench, model = "mt_bench_ko_native", "[red]m|<b>[/red]"
    folder = tmp_path / "outputs" / bench
    for name in ("model_judgment", "model_answer"):
        (folder / name).mkdir(parents=True)
    questions = [json.loads(line) for line in (data_root() / bench / "question.jsonl").read_text().splitlines()]
    ids = [question["question_id"] for question in questions]
    for judge, score in (("j", 8.0), ("k", 6.0)):
        lines = [judgment(q, turn, score, judge=[judge, "p"], model=model) for q in ids for turn in (1, 2)]
        lines[0]["score"] = -1 if judge == "k" else 10
        write(folder / "model_judgment" / f"{judge}_single.jsonl", lines)
    turns = ["This is an answer in English, of all things.", "네, 그렇습니다."]
    answers = [
        {"question_id": q, "answer_id": "x", "model_id": model, "tstamp": 0, "choices": [{"index": 0, "turns": turns}]}
        for q in ids
    ]
    write(folder / "model_answer" / f"{model.replace('/', '__')}.jsonl", answers)

    shown = json.loads(program("show", "--bench-name", bench, "--format", "json").stdout)
    scores = shown["models"][model]
    assert (shown["judge"], scores["average"]) == ("j + k", 7)
    assert scores["counts"] == {"scored": 2 * len(ids) - 1, "unscored": 1, "failed": 0}
    assert {judge: of[model]["counts"]["unscored"] for judge, of in shown["judges"].items()} == {"j": 0, "k": 1}
    assert shown["agreement"][0]["mean_difference"] == 2
    assert list(scores["categories"]) == list(dict.fromkeys(question["category"] for question in questions))
    assert scores["language"]["not_korean"] == len(ids)
    alone = json.loads(program("show", "--bench-name", bench, "--judge-model", "k", "--format", "json").stdout)
    assert (alone["judge"], alone["models"][model]["average"], "judges" in alone) == ("k", 6, False)

    table = program("show", "--bench-name", bench, "--lang", "ko").stdout
    for words in (model, "순위", "95% 신뢰구간", "미채점", "분야별 점수", "글쓰기", "답변의 언어", "심사 모델별 평균"):
        assert words in table
    markdown = program("show", "--bench-name", bench, "--format", "markdown").stdout
    assert f"| {model.replace('|', chr(92) + '|')} | 1 | 7.00 | 7.00 | 7.00 |" in markdown
    row = next(csv.DictReader(program("show", "--bench-name", bench, "--format", "csv").stdout.splitlines()))
    assert (row["model"], row["average"], row["unscored"], row["not_korean"]) == (model, "7.0", "1", str(len(ids)))


def test_every_model_is_compared_with_a_baseline(program: Program, upstream: Path) -> None:
    file = upstream / "upstream_judgments" / "single" / "gpt-4_single.jsonl"
    command = ("show", "--input-file", file, "--baseline-model", "llama2_7b")
    models = json.loads(program(*command, "--format", "json").stdout)["models"]
    assert models["llama2_7b"]["versus"] is None
    versus = models["llama2_chat_7b"]["versus"]
    assert versus["difference"] == pytest.approx(6.190625 - 3.96875)
    assert versus["ci"][0] < versus["difference"] < versus["ci"][1]
    assert 0.5 < versus["minimum_detectable"] < 1.2
    assert "against llama2_7b" in program(*command).stdout
    refused = program("show", "--input-file", file, "--baseline-model", "llama3")
    assert (refused.returncode, "--baseline-model llama3: there are no judgments of it" in refused.stderr) == (2, True)


def test_corrected_references_are_set_against_upstreams(tmp_path: Path) -> None:
    def judged(source: str, sha256: str | None, question: int, score: float) -> dict[str, object]:
        return judgment(question, 1, score, prompt_set="p@1", references={"source": source, "sha256": sha256})

    lines = [judged("upstream", "a", 1, 3), judged("upstream", None, 2, 5), judged("corrected", "b", 1, 9)]
    path = write(tmp_path / "j_single.jsonl", [*lines, judged("corrected", None, 2, 5) | {"tstamp": 1}])
    board = read_scoreboard([path])
    assert (board.references, board.models["m"].average) == ("corrected", 7)  # unlike judgments are not averaged
    assert board.reference_effect is not None
    changed = board.reference_effect.models["m"]["changed"]
    assert (changed.items, changed.before, changed.after) == (1, 3, 9)
    assert "corrected references" in render(board, "markdown")


def test_malformed_judgment_names_its_line(program: Program, tmp_path: Path) -> None:
    path = write(tmp_path / "j_single.jsonl", [judgment(1, 1, 8), {"question_id": 2}])
    result = program("show", "--input-file", path)
    assert result.returncode == 2
    assert "j_single.jsonl:2" in result.stderr
    assert "'model'" in result.stderr
