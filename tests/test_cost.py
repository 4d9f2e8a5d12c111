"""What calls cost: counted whole, capped, foreseen, and unknown where it is unknown."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from conftest import Program
from fake_openai import FakeOpenAI, completion
from run_checks import BENCH, arguments, check_run, own_questions, read_jsonl
from test_endpoint import ask

from mtbench_ko.bench import load_bench
from mtbench_ko.config import Price
from mtbench_ko.costs import Prices, Spending, counter_for, load_prices
from mtbench_ko.engine import Replicas, Sampling
from mtbench_ko.engine.base import Completion, Failure
from mtbench_ko.errors import UsageError
from mtbench_ko.job.timeline import Timeline
from mtbench_ko.judge import Judge, SingleGrading, load_prompts
from mtbench_ko.records import AttemptRecord, FailureRecord, JudgmentRecord, TurnRecord, judgment_slot
from mtbench_ko.store import RunStore

TRUE_TOKENS = Path(__file__).parent / "gpt4_tokens.json"
"""Prompt and reply of 160 of upstream's GPT-4 judgments in cl100k_base, GPT-4's encoding, with the 11 tokens that frame
two messages; by the start of the sha256 of the prompt. They were counted with bpe-openai 0.1.4."""
KOREAN_PROMPTS = {"gpt-4o": 108_607, "gpt-4": 161_624}
"""Tokens of KoMT-Bench's 160 judge prompts in the encodings of these models, counted likewise."""


def manifest(folder: Path, bench: str = BENCH) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "outputs" / bench / "manifest.json").read_text())
    return read


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A cent for each call of the fake endpoints, whose prompts have ten tokens."""
    file = tmp_path / "prices.yaml"
    file.write_text("judge: {input: 1000, output: 0}\norg/*: {input: 1000, output: 0}\n")
    return file


@pytest.mark.usefixtures("shared_ray")
def test_cap_stops_with_what_is_in_flight_and_a_higher_one_goes_on_to_the_same_sums(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path, prices: Path
) -> None:
    model_endpoint.latency = judge_endpoint.latency = 0.05
    command = ["run", *arguments(model_endpoint, judge_endpoint), "--prices", prices, "--parallel", 4]
    command += ["--judge-parallel", 3]

    def calls() -> int:
        return len(model_endpoint.requests) + len(judge_endpoint.requests)

    stopped = program(*command, "--max-cost", 0.2)
    assert stopped.returncode == 4, stopped.stderr
    assert 20 <= calls() <= 19 + 4 + 3  # the cap, and what was in flight when it was reached
    assert len(read_jsonl(tmp_path / "outputs" / "_state" / "journal.jsonl")) == calls()  # all of it is saved
    assert f"${calls() / 100:.4f} of $0.2000 are spent" in stopped.stderr
    assert "a higher --max-cost goes on" in stopped.stderr
    assert manifest(tmp_path)["runs"][0]["cost"] == {"usd": calls() / 100}

    before = calls()
    assert program(*command, "--max-cost", 0.2).returncode == 4
    assert calls() == before

    finished = program(*command, "--max-cost", 0.64)  # reached by the last call: nothing is left that it could stop
    assert finished.returncode == 0, finished.stderr
    assert check_run(tmp_path / "outputs", BENCH, questions=16) == {"turns": 32, "scored": 32}
    assert calls() == 64
    assert "judge judge: $0.3200, 32 calls, 320 tokens in, 160 out" in finished.stderr
    whole = manifest(tmp_path)
    assert [run["cost"]["usd"] for run in whole["runs"]] == [before / 100, (64 - before) / 100]
    # The sums of an undisturbed run follow from its calls, all alike.
    of_half = {"usage": {"calls": 32, "prompt_tokens": 320, "completion_tokens": 160}, "cost": {"usd": 0.32}}
    assert {name: whole["judges"]["judge"][name] for name in of_half} == of_half
    assert {name: whole["models"]["model"][name] for name in of_half} == of_half
    assert whole["spent"] == {
        "usage": {"calls": 64, "prompt_tokens": 640, "completion_tokens": 320},
        "cost": {"usd": 0.64},
    }


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


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gpt-4", "gpt-4o", "llama"])
def test_provider_before_a_name_changes_no_estimate(model: str) -> None:
    assert counter_for(f"provider/{model}").encoding == counter_for(model).encoding


def test_details_of_usage_are_kept_where_there_are_any(model_endpoint: FakeOpenAI) -> None:
    detailed = {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 900, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    odd = {
        "prompt_tokens": 7,
        "completion_tokens": "5",
        "prompt_tokens_details": [1],
        "completion_tokens_details": None,
    }
    replies = iter([detailed, None, odd])
    model_endpoint.reply = lambda body, number: completion(body, "답", usage=next(replies))
    usages = [reply.usage for reply in ask(model_endpoint, times=3)]
    assert usages == [
        {"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 900, "reasoning_tokens": 40},
        {"prompt_tokens": 10, "completion_tokens": 5},
        {"prompt_tokens": 7, "completion_tokens": 0},
    ]


def test_empty_replies_before_a_good_one_are_paid_for_with_their_details(model_endpoint: FakeOpenAI) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}
    model_endpoint.reply = lambda body, number: completion(body, None if number == 1 else "답", usage=usage)
    (reply,) = ask(model_endpoint)
    assert isinstance(reply, Completion)
    assert reply.usage == {"prompt_tokens": 20, "completion_tokens": 10, "cached_tokens": 16}
    model_endpoint.reply = lambda body, number: completion(body, None, usage=usage)
    (failure,) = ask(model_endpoint)
    assert isinstance(failure, Failure)
    assert failure.usage == {"prompt_tokens": 40, "completion_tokens": 20, "cached_tokens": 32}


def test_price_counts_cached_prompts_and_batches_apart() -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "cached_tokens": 400_000, "reasoning_tokens": 9}
    price = Price(input=2, cached_input=0.5, output=10, batch=0.5)
    assert price.cost(usage) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 10)
    assert price.cost(usage, batch=True) == pytest.approx(price.cost(usage) / 2)
    assert Price(input=2, output=10).cost(usage, batch=True) == pytest.approx(3)  # no discount is known of


def test_snapshots_have_their_models_price_unless_they_have_their_own() -> None:
    prices = load_prices()
    for name, model in (
        ("gpt-4o-2024-08-06", "gpt-4o"), ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"), ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
    ):  # fmt: skip
        assert prices.of(name) == prices.of(model) is not None
    first = prices.of("gpt-4o-2024-05-13")
    assert first is not None
    assert first.input == 5
    assert prices.of("gpt-4o-of-somebody") is prices.of("my-model") is None


def test_every_published_price_says_when_and_where_it_was_read() -> None:
    table = load_prices()._tables[-1]
    assert len(table) > 20
    assert [name for name, price in table.items() if not (price.as_of and price.source)] == []
    assert all(price.output >= price.input >= (price.cached_input or 0) for price in table.values())


def test_users_prices_go_before_ours_and_a_wrong_field_is_named(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("gpt-4o: {input: 1, output: 2}\nmy-*: {input: 3, output: 4, cached_input: 0.3}\n")
    prices = load_prices(str(file), own={"my-judge": Price(input=9, output=9)})
    assert [prices.of(name).input for name in ("gpt-4o-2024-08-06", "my-model", "my-judge")] == [1, 3, 9]  # type: ignore[union-attr]
    for text, said in (
        ("m: {input: 1, output: 2, inptu: 3}", "field 'm.inptu'"),
        ("m: {input: -1, output: 2}", "field 'm.input'"),
        ("m: {input: 1}", "field 'm.output'"),
        ("- m", "whole line"),
        ("m: [", "not YAML"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=r"--prices .*prices\.yaml: ") as error:
            load_prices(str(file))
        assert said in str(error.value)


def test_cap_without_a_price_is_refused_before_any_call(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, prices: Path
) -> None:
    command = ["run", *arguments(model_endpoint, judge_endpoint), "--max-cost", 1]
    refused = program(*command)
    assert refused.returncode == 2
    assert "the price of org/model and of judge is unknown" in refused.stderr
    assert "--prices FILE" in refused.stderr
    prices.write_text("org/model: {input: 1, output: 1}\n")
    refused = program(*command, "--prices", prices)
    assert refused.returncode == 2
    assert "the price of judge is unknown" in refused.stderr
    assert model_endpoint.requests == judge_endpoint.requests == []


SPENT = {"prompt_tokens": 1_000_000, "completion_tokens": 0}


def judgment(**fields: Any) -> JudgmentRecord:
    about = {"bench": "b", "question_id": 1, "turn": 1, "key": "k", "model": "m", "answers_sha256": "", "score": 5}
    made = {"judge": ["gpt", "single-v1"], "prompt_set": "p", "references": {"source": "none", "sha256": None}}
    return JudgmentRecord.model_validate(
        about | made | {"user_prompt": "", "judgment": "", "outcome": "scored", "usage": SPENT} | fields
    )


def test_everything_that_was_paid_for_counts_once_also_after_a_restart(tmp_path: Path) -> None:
    about: dict[str, Any] = {"bench": "b", "question_id": 1, "turn": 1, "key": "k"}
    failed = {"reason": "x", "usage": SPENT, "model": "m"}
    slot = list(judgment_slot("b", "m", 1, 0, 1, "gpt", "p", "none"))
    turn = TurnRecord(**about, model_id="m", messages_sha256="", text="", finish_reason="stop", usage=SPENT)
    store = RunStore(tmp_path)
    prices = Prices({"gpt": Price(input=1, output=1), "api-m": Price(input=10, output=1)})
    for record in (
        turn,
        FailureRecord(**about, **failed, stage="answer", failed_slot=list(turn.slot)),
        judgment(),
        judgment(key="replaced by"),
        judgment(turn=2, usage={}),  # taken over
        AttemptRecord(**about, model="m", judge="gpt", number=1, reason="no_verdict", judgment="", usage=SPENT),
        FailureRecord(**about, **failed, stage="judgment", failed_slot=slot),
        FailureRecord(**about, reason="y", model="m", stage="judgment", failed_slot=slot),
    ):
        store.append(record)
    seen = []
    for _ in range(2):
        spending = Spending(store.tally, prices, {("model", "m"): "api-m"})
        facts = spending.facts("b")
        costs = [facts["models"]["m"], facts["judges"]["gpt"], facts["spent"]]
        assert [each["cost"]["usd"] for each in costs] == [20, 4, 24]
        assert facts["judges"]["gpt"]["usage"]["calls"] == 4
        seen.append(facts)
        store.close()
        store = RunStore(tmp_path)
    assert seen[0] == seen[1]
    assert spending.facts("another bench")["spent"]["cost"] == {"usd": 0}

    local = Spending(store.tally, prices, {("model", "m"): None})
    assert local.money == 4
    unknown = Spending(store.tally, Prices(), {("model", "m"): None})
    assert unknown.facts("b")["judges"]["gpt"]["cost"] is unknown.facts("b")["spent"]["cost"] is None
    assert unknown.facts("b")["models"]["m"]["cost"] == {"usd": 0}
    assert "cost unknown" in unknown.describe()
    assert unknown.so_far() == ""
    store.close()


def test_verdict_of_answers_that_came_back_is_not_paid_for_again(tmp_path: Path) -> None:
    bench = load_bench(BENCH)
    grading = SingleGrading(bench, Judge("gpt", "endpoint:gpt", load_prompts(), Sampling(0.0, 10)))
    first, other = (grading.matches("m", next(iter(bench.questions)), 0, [answer])[0] for answer in ("가", "나"))
    store = RunStore(tmp_path)
    for match in (first, other):
        store.append(match.record(5.0, outcome="scored", user_prompt="", judgment="", usage=SPENT))
    again = first.saved(store)
    assert isinstance(again, JudgmentRecord)
    assert (again.score, again.usage) == (5.0, {})
    store.append(again)
    assert Spending(store.tally, Prices({"gpt": Price(input=1, output=1)}), {}).money == 2
    store.close()


def test_gpu_hours_are_those_of_all_replicas_from_loading_to_leaving() -> None:
    now = 100.0
    timeline = Timeline(lambda: now)
    big = timeline.enter("big", "model", Replicas(2, 4, 0))
    endpoint = timeline.enter("gpt", "judge", None)
    now += 1800
    big.mark("left")
    endpoint.mark("left")
    timeline.enter("small", "model", Replicas(1, 0, 3))
    now += 3600
    assert timeline.hours() == {"gpu_hours": 4.0, "cpu_core_hours": 3.0}  # the small one is still there


def test_local_judge_is_counted_with_its_own_tokenizer(tiny_models: list[Path]) -> None:
    from transformers import AutoTokenizer

    counter = counter_for("gpt-4o", tiny_models[0])
    text = "안녕하세요, 2 + 2 = 4.\n"
    assert counter.exact
    assert counter.count(text) == len(AutoTokenizer.from_pretrained(tiny_models[0]).encode(text))
