"""The pairwise modes: both orders, both turns, all choices, and FastChat's way of counting."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from conftest import Program
from fake_openai import FakeOpenAI
from run_checks import BENCH, QUESTIONS, arguments, judgments, own_questions

pytestmark = pytest.mark.usefixtures("shared_ray")
MODELS = ("가", "나", "다")
CHOICES, TURNS = 2, 2


@pytest.fixture
def answers(tmp_path: Path) -> dict[tuple[str, int, int], list[str]]:
    """Answer files of three models with two choices each, as FastChat leaves them; their turns."""
    folder = tmp_path / "outputs" / BENCH / "model_answer"
    folder.mkdir(parents=True)
    questions = own_questions()
    texts = {
        (model, question["question_id"], choice): [f"<{model}|{question['question_id']}|{choice}|{n}>" for n in (1, 2)]
        for model in MODELS for question in questions for choice in range(CHOICES)
    }  # fmt: skip
    for model in MODELS:
        lines = [
            {"question_id": question["question_id"], "answer_id": "x", "model_id": model, "tstamp": 1.0,
             "choices": [{"index": c, "turns": texts[model, question["question_id"], c]} for c in range(CHOICES)]}
            for question in questions
        ]  # fmt: skip
        (folder / f"{model}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return texts


def verdict(choice: str) -> Any:
    return lambda body, number: json.dumps({"explanation": "[[B]]가 아니라", "verdict": choice})


def command(judge: FakeOpenAI, mode: str, *more: object) -> list[object]:
    return [
        "judge", "--bench-name", BENCH, "--first-n", QUESTIONS, "--mode", mode,
        "--judge-model", "judge", "--judge-api-base", judge.url,
        "--parallel", 20, *more,
    ]  # fmt: skip


def show(program: Program, mode: str, *more: object) -> dict[str, Any]:
    result = program("show", "--bench-name", BENCH, "--mode", mode, "--format", "json", *more)
    assert result.returncode == 0, result.stderr
    models: dict[str, Any] = json.loads(result.stdout)["models"]
    return models


def test_judge_that_always_prefers_the_first_makes_every_pair_a_tie(
    program: Program, judge_endpoint: FakeOpenAI, answers: dict[tuple[str, int, int], list[str]], tmp_path: Path
) -> None:
    judge_endpoint.reply = verdict("A")
    result = program(*command(judge_endpoint, "pairwise-all"))
    assert result.returncode == 0, result.stderr
    lines = judgments(tmp_path, suffix="pair")
    about = [(line["model_1"], line["model_2"], line["question_id"], line["choice"], line["turn"]) for line in lines]
    pairs = list(combinations(MODELS, 2))
    assert len(set(about)) == len(about) == len(pairs) * QUESTIONS * CHOICES * TURNS
    assert {(model_1, model_2) for model_1, model_2, *_ in about} == set(pairs)
    assert Counter((line["g1_winner"], line["g2_winner"]) for line in lines) == {("model_1", "model_2"): len(lines)}

    # Game 1 shows model_1 first, game 2 model_2, each with the turns up to the one that is judged, and both with the
    # same references.
    for line, (model_1, model_2, question, choice, turn) in zip(lines, about, strict=True):
        shown = {model: answers[model, question, choice][:turn] for model in (model_1, model_2)}
        for game, order in ((1, (model_1, model_2)), (2, (model_2, model_1))):
            told = re.findall(r"<\w\|[^>]*>", line[f"g{game}_user_prompt"])
            assert told == [text for model in order for text in shown[model]]
        guided = line["references"]["sha256"] is not None
        assert line["judge"][1] == f"pair-{'math-v1' if guided else 'v2'}{'-multi-turn' if turn == 2 else ''}"

    models = show(program, "pairwise-all")
    comparisons = 2 * QUESTIONS * CHOICES * TURNS
    for scores in models.values():
        assert (scores["win"], scores["loss"], scores["tie"]) == (0, 0, comparisons)
        assert (scores["win_rate"], scores["win_rate_adjusted"]) == (0.0, 0.5)
        assert scores["counts"] == {"scored": comparisons, "unscored": 0, "failed": 0}

    # The same pairs in another mode cost nothing; FastChat's file keeps one line for each.
    calls = len(judge_endpoint.requests)
    assert calls == 2 * len(lines)
    again = program(*command(judge_endpoint, "pairwise-baseline", "--baseline-model", "가"))
    assert again.returncode == 0, again.stderr
    assert len(judge_endpoint.requests) == calls
    assert len(judgments(tmp_path, suffix="pair")) == len(lines)


def test_baseline_is_compared_with_every_other_model_and_not_shown(
    program: Program, judge_endpoint: FakeOpenAI, answers: dict[tuple[str, int, int], list[str]], tmp_path: Path
) -> None:
    def better_first_name(body: dict[str, Any], number: int) -> str:
        told = re.findall(r"<(\w)\|", body["messages"][1]["content"])
        return json.dumps({"explanation": "", "verdict": "A" if told[0] < told[-1] else "B"})

    judge_endpoint.reply = better_first_name
    result = program(*command(judge_endpoint, "pairwise-baseline", "--baseline-model", "나", "--first-n", 4))
    assert result.returncode == 0, result.stderr
    lines = judgments(tmp_path, suffix="pair")
    assert {(line["model_1"], line["model_2"]) for line in lines} == {("가", "나"), ("다", "나")}
    models = show(program, "pairwise-baseline", "--baseline-model", "나")
    assert [(name, scores["win"], scores["loss"]) for name, scores in models.items()] == [("가", 16, 0), ("다", 0, 16)]
    # Naming the baseline, or a model twice, changes nothing.
    calls = len(judge_endpoint.requests)
    again = command(judge_endpoint, "pairwise-baseline", "--baseline-model", "나", "--first-n", 4)
    assert program(*again, "--model-list", "가", "나", "가", "다").returncode == 0
    assert (len(judge_endpoint.requests), judgments(tmp_path, suffix="pair")) == (calls, lines)
    only = show(program, "pairwise-baseline", "--baseline-model", "나", "--model-list", "다")
    assert list(only) == ["다"]
    calls = len(judge_endpoint.requests)
    for more, words in (
        ((), "--baseline-model"),
        (("--baseline-model", "라"), "라 has no answers; there are those of 가, 나, 다"),
        (("--baseline-model", "나", "--model-list", "나"), "나 alone"),
    ):
        refused = program(*command(judge_endpoint, "pairwise-baseline", *more))
        assert refused.returncode == 2
        assert words in refused.stderr
    assert len(judge_endpoint.requests) == calls


def test_comparison_that_lacks_one_answer_is_counted_as_failed_until_it_is_there(
    program: Program, judge_endpoint: FakeOpenAI, answers: dict[tuple[str, int, int], list[str]], tmp_path: Path
) -> None:
    judge_endpoint.reply = verdict("C")
    file = tmp_path / "outputs" / BENCH / "model_answer" / "가.jsonl"
    whole = file.read_text()
    file.write_text("".join(whole.splitlines(keepends=True)[:3]))
    run = command(judge_endpoint, "pairwise-baseline", "--baseline-model", "나", "--first-n", 4)
    for text, code, scored, failed in ((file.read_text(), 3, 12, 4), (whole, 0, 16, 0)):
        file.write_text(text)
        result = program(*run)
        assert (result.returncode, "4 no_counterpart" in result.stderr) == (code, failed > 0)
        counts = show(program, "pairwise-baseline", "--baseline-model", "나")["가"]["counts"]
        assert counts == {"scored": scored, "unscored": 0, "failed": failed}


def test_prompts_of_the_single_type_rate_each_answer_and_tie_within_a_tenth(
    program: Program, judge_endpoint: FakeOpenAI, answers: dict[tuple[str, int, int], list[str]], tmp_path: Path
) -> None:
    from mtbench_ko.bench import data_root

    lines = [json.loads(line) for line in (data_root() / "judge_prompts" / "ko.jsonl").read_text().splitlines()]
    single = {line["name"]: line for line in lines if line["type"] == "single"}
    names = {name.replace("single-math-v1", "pair-math-v1").replace("single-v1", "pair-v2"): name for name in single}
    (tmp_path / "rate.jsonl").write_text(
        "".join(json.dumps(single[old] | {"name": new}) + "\n" for new, old in names.items())
    )
    ratings = {"가": 8.0, "나": 8.1, "다": 3.0}

    def rate(body: dict[str, Any], number: int) -> str:
        told = re.findall(r"<(\w)\|", body["messages"][1]["content"])
        assert len(set(told)) == 1  # one model's answer at a time
        return f"평점: [[{ratings[told[0]]}]]"

    judge_endpoint.reply = rate
    more = ("--judge-file", tmp_path / "rate.jsonl", "--first-n", 2, "--references", "none")
    result = program(*command(judge_endpoint, "pairwise-all", *more))
    assert result.returncode == 0, result.stderr
    for line in judgments(tmp_path, suffix="pair"):
        assert (line["m1_score"], line["m2_score"]) == (ratings[line["model_1"]], ratings[line["model_2"]])
        winner = "tie" if "다" not in (line["model_1"], line["model_2"]) else "model_1"
        assert (line["g1_winner"], line["g2_winner"]) == (winner, winner)
    # 3 answers x 2 questions x 2 choices x 2 turns: an answer that was rated for one pair is not rated for another.
    assert len(judge_endpoint.requests) == 24


def test_pair_without_a_verdict_is_an_error_and_without_a_reply_no_line(
    program: Program, judge_endpoint: FakeOpenAI, answers: dict[tuple[str, int, int], list[str]], tmp_path: Path
) -> None:
    def odd(body: dict[str, Any], number: int) -> Any:
        prompt = body["messages"][1]["content"]
        if "<가|1001|0|1>" in prompt and "|2>" not in prompt:
            return "둘 다 좋습니다."
        if "<가|1011|" in prompt:
            return web.json_response({"error": {"message": "no"}}, status=400)
        return json.dumps({"explanation": "", "verdict": "C"})

    judge_endpoint.reply = odd
    more = ("--first-n", 2, "--model-list", "가", "나", "--judge-attempts", 1)
    assert program(*command(judge_endpoint, "pairwise-all", *more)).returncode == 3
    lines = judgments(tmp_path, suffix="pair")
    assert [line["question_id"] for line in lines] == [1001] * 4
    unread = [line for line in lines if line["outcome"] == "unscored"]
    assert [(line["g1_winner"], line["g2_winner"], line["reason"]) for line in unread] == [
        ("error", "error", ["no_verdict", "no_verdict"])
    ]
    models = show(program, "pairwise-all")
    assert {name: scores["counts"] for name, scores in models.items()} == {
        name: {"scored": 3, "unscored": 1, "failed": 4} for name in ("가", "나")
    }


def test_run_compares_fresh_answers_with_those_of_other_models(
    program: Program,
    model_endpoint: FakeOpenAI,
    judge_endpoint: FakeOpenAI,
    answers: dict[tuple[str, int, int], list[str]],
    tmp_path: Path,
) -> None:
    judge_endpoint.reply = verdict("C")
    more = ("--mode", "pairwise-baseline", "--baseline-model", "가", "--num-choices", 2)
    result = program("run", *arguments(model_endpoint, judge_endpoint), *more)
    assert result.returncode == 0, result.stderr
    lines = judgments(tmp_path, suffix="pair")
    assert {(line["model_1"], line["model_2"]) for line in lines} == {("model", "가")}
    assert len(lines) == QUESTIONS * CHOICES * TURNS
    assert "adjusted" in result.stdout


@pytest.mark.parametrize("format", ["table", "csv", "markdown", "fastchat"])
def test_upstream_pairs_in_every_format(program: Program, upstream: Path, format: str) -> None:
    file = upstream / "upstream_judgments" / "pair" / "gpt-4_pair.jsonl"
    shown = program("show", "--mode", "pairwise-all", "--input-file", file, "--format", format)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"phi-3-dpo\W+20\W+18\W+35\W+0\.27", shown.stdout)


def test_upstream_pairs_give_upstreams_numbers(program: Program, upstream: Path) -> None:
    folder = upstream / "upstream_judgments"
    expected = json.loads((folder / "expected.json").read_text())["pairwise_all"]
    shown = show(program, "pairwise-all", "--input-file", folder / "pair" / "gpt-4_pair.jsonl")
    for model in ("phi-3", "phi-3-dpo"):
        for name, value in expected[model].items():
            assert shown[model][name] == pytest.approx(value, abs=5e-7)
    against = show(
        program, "pairwise-baseline", "--baseline-model", "phi-3",
        "--input-file", folder / "pair" / "gpt-4_pair.jsonl",
    )  # fmt: skip
    assert list(against) == ["phi-3-dpo"]
