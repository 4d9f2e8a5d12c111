"""What a run will cost is foreseen: calls and tokens, from what there is and what there will be."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from conftest import Program
from fake_openai import FakeOpenAI, completion
from run_checks import BENCH, arguments, manifest, own_questions, read_jsonl

from mtbench_ko.costs import counter_for

TRUE_TOKENS = Path(__file__).parent / "gpt4_tokens.json"
"""Prompt and reply of 160 of upstream's GPT-4 judgments in cl100k_base, GPT-4's encoding, with the 11 tokens that frame
two messages; by the start of the sha256 of the prompt. They were counted with bpe-openai 0.1.4."""
KOREAN_PROMPTS = {"gpt-4o": 108_607, "gpt-4": 161_624}
"""Tokens of KoMT-Bench's 160 judge prompts in the encodings of these models, counted likewise."""


@pytest.mark.usefixtures("shared_ray")
def test_dry_run_foresees_160_judgments_within_a_tenth(
    program: Program, judge_endpoint: FakeOpenAI, tmp_path: Path, upstream: Path
) -> None:
    """The judge replies what GPT-4 replied to the very same prompts, and says its true token counts."""
    truth = json.loads(TRUE_TOKENS.read_text())
    rows = read_jsonl(upstream / "upstream_judgments" / "single" / "gpt-4_single.jsonl")
    replies = {row["user_prompt"]: row["judgment"] for row in rows}

    def reply(body: dict[str, Any], number: int) -> web.Response:
        prompt = body["messages"][1]["content"]
        of_prompt, of_reply = truth[sha256(prompt.encode()).hexdigest()[:16]]
        return completion(body, replies[prompt], usage={"prompt_tokens": of_prompt, "completion_tokens": of_reply})

    judge_endpoint.reply = reply
    answers = tmp_path / "outputs" / "mt_bench" / "model_answer" / "llama2_chat_7b.jsonl"
    answers.parent.mkdir(parents=True)
    answers.write_bytes((upstream / "upstream_judgments" / "single" / "model_answer" / answers.name).read_bytes())
    command = [
        "judge", "--bench-name", upstream / "mt_bench", "--references", "upstream", "--judge-file",
        upstream / "judge_prompts.jsonl", "--judge-model", "gpt-4", "--judge-api-base", judge_endpoint.url,
    ]  # fmt: skip
    foreseen = program(*command, "--dry-run", env={"RAY_ADDRESS": "nowhere.invalid:1"})  # it asks no cluster
    assert foreseen.returncode == 0, foreseen.stderr
    assert judge_endpoint.requests == []
    assert "judge gpt-4: 160 calls" in foreseen.stderr
    tokens_in, tokens_out = _tokens(foreseen.stderr, "judge")
    dollars = float(foreseen.stderr.split("$")[1].split()[0])

    result = program(*command)
    assert result.returncode == 0, result.stderr
    real = manifest(tmp_path, "mt_bench")["judges"]["gpt-4"]
    assert real["usage"]["calls"] == 160
    assert tokens_in == pytest.approx(real["usage"]["prompt_tokens"], rel=0.1)
    assert tokens_out == pytest.approx(real["usage"]["completion_tokens"], rel=0.1)
    assert dollars == pytest.approx(real["cost"]["usd"], rel=0.1)
    assert real["cost"]["usd"] == pytest.approx((117_985 * 30 + 26_944 * 60) / 1e6)

    again = program(*command, "--dry-run")
    assert "everything is there" in again.stderr
    few = program(*command[:-4], "--judge-model", "gpt-4", "--judge-api-base", judge_endpoint.url, "--mode", "single",
                  "--judge-max-tokens", 100, "--dry-run")  # fmt: skip
    assert "168 tokens a judgment, as in 160 saved ones" in few.stderr  # it learns from what there is


def test_dry_run_counts_calls_to_come_for_answers_that_do_not_exist(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path, prices: Path
) -> None:
    command = ["run", *arguments(model_endpoint, judge_endpoint), "--prices", prices, "--dry-run", "--max-cost", 1]
    single = program(*command).stderr
    assert "model model: 32 calls" in single
    assert "judge judge: 32 calls" in single
    assert "32 prompts with answers that do not exist yet" in single
    assert "--max-cost 1 would stop the run before its end" in single
    longer = program(*command, "--max-new-token", 50).stderr
    assert _tokens(longer, "model")[1] == 32 * 50 < _tokens(single, "model")[1]
    assert _tokens(longer, "judge")[0] < _tokens(single, "judge")[0]  # short answers make short prompts

    answers = tmp_path / "outputs" / BENCH / "model_answer" / "base.jsonl"
    answers.parent.mkdir(parents=True)
    turns = ["가나다 " * 2000, "짧게"]
    lines = [
        {"question_id": each["question_id"], "answer_id": "a", "model_id": "base", "tstamp": 0,
         "choices": [{"index": 0, "turns": turns}]}
        for each in own_questions()
    ]  # fmt: skip
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pairwise = program(*command, "--mode", "pairwise-baseline", "--baseline-model", "base").stderr
    assert "judge judge: 64 calls" in pairwise
    long = counter_for("judge").count(turns[0])
    assert _tokens(pairwise, "judge")[0] > 64 * long  # the baseline's answers are there, and counted
    assert model_endpoint.requests == judge_endpoint.requests == []


def _tokens(told: str, role: str) -> tuple[int, int]:
    """Tokens in and out of a line such as "judge judge: 32 calls, about 1,000 tokens in and 500 out"."""
    line = next(line for line in told.splitlines() if line.startswith(f"{role} "))
    numbers = line.replace(",", "").split()
    return int(numbers[5]), int(numbers[9])


@pytest.mark.parametrize("model", KOREAN_PROMPTS)
def test_korean_prompts_are_estimated_within_a_tenth_without_a_tokenizer(
    model: str, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtbench_ko.costs.tokens.find_spec", lambda name: None)
    rows = read_jsonl(next((upstream / "komt_bench" / "model_judgment").glob("*.jsonl")))
    counter = counter_for(model)
    assert not counter.exact
    assert sum(counter.count(row["user_prompt"]) for row in rows) == pytest.approx(KOREAN_PROMPTS[model], rel=0.1)


def test_local_judge_is_counted_with_its_own_tokenizer(tiny_models: list[Path]) -> None:
    from transformers import AutoTokenizer

    counter = counter_for("gpt-4o", tiny_models[0])
    text = "안녕하세요, 2 + 2 = 4.\n"
    assert counter.exact
    assert counter.count(text) == len(AutoTokenizer.from_pretrained(tiny_models[0]).encode(text))


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gpt-4", "gpt-4o", "llama"])
def test_provider_before_a_name_changes_no_estimate(model: str) -> None:
    assert counter_for(f"provider/{model}").encoding == counter_for(model).encoding
