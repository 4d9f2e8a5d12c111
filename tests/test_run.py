"""The whole job against endpoints: what it writes, keeps and asks again."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from aiohttp import web
from conftest import Program
from fake_openai import FakeOpenAI, completion
from run_checks import BENCH, arguments, check_run, judgments, own_questions, read_jsonl

pytestmark = pytest.mark.usefixtures("shared_ray")


def test_run_writes_fastchats_files_and_a_manifest(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    copy = tmp_path / "of fastchat" / "answers.jsonl"
    result = program("run", *arguments(model_endpoint, judge_endpoint), "--answer-file", copy)
    assert result.returncode == 0, result.stderr
    assert "model" in result.stdout
    outputs = tmp_path / "outputs"
    assert check_run(outputs, BENCH, questions=16) == {"turns": 32, "scored": 32}
    answers = read_jsonl(outputs / BENCH / "model_answer" / "model.jsonl")
    assert read_jsonl(copy) == answers
    assert {"question_id", "answer_id", "model_id", "choices", "tstamp"} <= set(answers[0])

    # Turn 2 was sent with the stored turn 1, at the category's temperature, with every default spelled out.
    sent = {(r["messages"][0]["content"], len(r["messages"])): r for r in model_endpoint.requests}
    questions = sorted(own_questions(), key=lambda question: question["question_id"])
    for question, answer in zip(questions, answers, strict=True):
        second = sent[question["turns"][0], 3]
        assert second["messages"][1]["content"] == answer["choices"][0]["turns"][0]
        warm = {"writing": 0.7, "roleplay": 0.7, "stem": 0.1, "humanities": 0.1}
        assert second["temperature"] == warm.get(question["category"], 0.0)
        assert (second["top_p"], second["top_k"], second["max_tokens"]) == (1.0, -1, 1024)

    # References are shown where they exist, and recorded.
    guided = {q["question_id"] for q in questions if q["category"] in ("math", "reasoning", "coding", "extraction")}
    for line in judgments(tmp_path):
        shown = line["references"]["sha256"] is not None
        assert ("math" in line["judge"][1]) == (line["question_id"] in guided) == shown

    # FastChat's show_result, on our file.
    frame = pd.read_json(outputs / BENCH / "model_judgment" / "judge_single.jsonl", lines=True)
    frame = frame[["model", "score", "turn"]]
    frame = frame[frame["score"] != -1]
    first = frame[frame["turn"] == 1].groupby(["model", "turn"]).mean()["score"].iloc[0]
    shown = json.loads(program("show", "--bench-name", BENCH, "--format", "json").stdout)
    assert shown["models"]["model"]["turn_1"] == first
    assert shown["models"]["model"]["average"] == frame["score"].mean()

    manifest = json.loads((outputs / BENCH / "manifest.json").read_text())
    assert manifest["judges"]["judge"]["reported"] == ["judge-2026-01-01"]
    assert manifest["models"]["model"]["identity"] == "endpoint:org/model"
    counts = manifest["runs"][0]["counts"]
    assert counts.pop("judged_while_answering") <= 32
    assert counts == {"answered": 32, "scored": 32, "unscored": 0, "failed": 0, "reasons": {}}

    # Again: nothing is owed, nothing is called.
    calls = len(model_endpoint.requests), len(judge_endpoint.requests)
    journal = (outputs / "_state" / "journal.jsonl").read_bytes()
    assert program("run", *arguments(model_endpoint, judge_endpoint)).returncode == 0
    assert (len(model_endpoint.requests), len(judge_endpoint.requests)) == calls
    assert (outputs / "_state" / "journal.jsonl").read_bytes() == journal


def test_failed_answers_are_records_with_a_reason(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    def overflow(body: dict[str, Any], number: int) -> Any:
        if "시조" in body["messages"][0]["content"] and len(body["messages"]) == 1:
            message = "This model's maximum context length is 4 tokens"
            return web.json_response({"error": {"message": message, "code": "context_length_exceeded"}}, status=400)
        return f"{number}번째 답변"

    model_endpoint.reply = overflow
    result = program("run", *arguments(model_endpoint, judge_endpoint))
    assert result.returncode == 3
    assert "context_overflow" in result.stderr
    failures = read_jsonl(tmp_path / "outputs" / "_state" / "failures.jsonl")
    assert [(f["question_id"], f["turn"], f["reason"], f["final"]) for f in failures] == [
        (1002, 1, "context_overflow", True)
    ]
    files = "".join(path.read_text() for path in (tmp_path / "outputs" / BENCH).rglob("*.jsonl"))
    assert "maximum context length" not in files  # an error is never an answer, nor judged
    calls = len(model_endpoint.requests)
    assert program("run", *arguments(model_endpoint, judge_endpoint)).returncode == 3  # set aside: not asked again
    assert len(model_endpoint.requests) == calls
    model_endpoint.reply = lambda body, number: f"{number}번째 답변"
    assert program("run", *arguments(model_endpoint, judge_endpoint), "--retry-failed").returncode == 0


def test_thinking_and_truncation_are_kept_apart_from_the_answer(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    def think(body: dict[str, Any], number: int) -> web.Response:
        if number % 2:
            return completion(body, f"<think>\n속셈 {number}\n</think>\n\n답 {number}", "length")
        return completion(body, f"답 {number}", reasoning_content=f"속셈 {number}")

    model_endpoint.reply = think
    assert program("run", *arguments(model_endpoint, judge_endpoint)).returncode == 0
    shown = json.dumps([r["messages"] for r in model_endpoint.requests + judge_endpoint.requests], ensure_ascii=False)
    assert "속셈" not in shown
    for line in read_jsonl(tmp_path / "outputs" / BENCH / "model_answer" / "model.jsonl"):
        choice = line["choices"][0]
        for text, thinking, finish in zip(choice["turns"], choice["reasoning"], choice["finish_reason"], strict=True):
            number = int(text.split()[1])
            assert thinking == f"속셈 {number}"
            assert finish == ("length" if number % 2 else "stop")


def test_answers_of_fastchat_are_judged_as_they_are_and_not_overwritten_unasked(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    folder = tmp_path / "outputs" / BENCH / "model_answer"
    folder.mkdir(parents=True)
    questions = sorted(own_questions(), key=lambda question: question["question_id"])
    lines = [
        {"question_id": q["question_id"], "answer_id": "x", "model_id": "model", "tstamp": 1.5,
         "choices": [{"index": 0, "turns": [f"첫 답 {q['question_id']}", "둘째 답"]}]}
        for q in questions
    ]  # fmt: skip
    (folder / "model.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = (folder / "model.jsonl").read_bytes()
    judge = arguments(model_endpoint, judge_endpoint)[6:]
    result = program("judge", "--bench-name", BENCH, "--model-list", "model", *judge, "--parallel", 4)
    assert result.returncode == 0, result.stderr
    assert (folder / "model.jsonl").read_bytes() == before
    assert len(judgments(tmp_path)) == 32
    assert "첫 답 1001" in judgments(tmp_path)[0]["user_prompt"]

    command = ["run", *arguments(model_endpoint, judge_endpoint)]
    refused = program(*command)
    assert refused.returncode == 2
    assert "--adopt" in refused.stderr
    assert (folder / "model.jsonl").read_bytes() == before
    assert program(*command, "--adopt").returncode == 0
    assert model_endpoint.requests == []
    assert len(judge_endpoint.requests) == 32  # the same text was judged already
    adopted = read_jsonl(folder / "model.jsonl")
    assert [line["choices"][0]["turns"] for line in adopted] == [line["choices"][0]["turns"] for line in lines]


def test_changed_question_is_asked_again_and_the_rest_kept(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    bench = tmp_path / "sets" / "small"
    bench.mkdir(parents=True)
    rows = [{"question_id": n, "category": "writing", "turns": [f"질문 {n}", "이어서"]} for n in (1, 2, 3)]

    def write() -> None:
        (bench / "question.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    command = ["run", *arguments(model_endpoint, judge_endpoint)[2:], "--bench-name", bench, "--references", "none"]
    write()
    assert program(*command).returncode == 0
    rows[1]["turns"] = ["다른 질문 2", "이어서"]
    write()
    assert program(*command).returncode == 0
    assert len(model_endpoint.requests) == 8
    assert len(judge_endpoint.requests) == 8
    lines = read_jsonl(tmp_path / "outputs" / "small" / "model_judgment" / "judge_single.jsonl")
    assert [(line["question_id"], line["turn"]) for line in lines] == [(n, t) for n in (1, 2, 3) for t in (1, 2)]
    assert "다른 질문 2" in lines[2]["user_prompt"]


def test_dry_run_changes_nothing(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    result = program("run", *arguments(model_endpoint, judge_endpoint), "--dry-run")
    assert result.returncode == 0
    assert "the judge is an endpoint" in result.stderr
    assert (model_endpoint.requests, judge_endpoint.requests) == ([], [])
    assert not (tmp_path / "outputs" / BENCH).exists()


def test_judge_reads_what_a_killed_generate_has_journaled(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    everything = arguments(model_endpoint, judge_endpoint)
    assert program("generate", *everything[:8], "--first-n", 1).returncode == 0
    (tmp_path / "outputs" / BENCH / "model_answer" / "model.jsonl").unlink()  # a kill comes before views are written
    result = program("judge", *everything[:2], *everything[6:], "--first-n", 1)
    assert result.returncode == 0, result.stderr
    assert [line["turn"] for line in judgments(tmp_path)] == [1, 2]
