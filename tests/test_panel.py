"""Several judges of one run, several verdicts of one judge, and judges of other providers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Program
from fake_openai import FakeOpenAI, Fault, completion, judge_reply, serve
from run_checks import BENCH, QUESTIONS, arguments, judgments

pytestmark = pytest.mark.usefixtures("shared_ray")
TURNS = 2 * QUESTIONS


@pytest.fixture
def strict_endpoint() -> Iterator[FakeOpenAI]:
    """A second provider, whose judge gives low grades."""
    with serve(
        FakeOpenAI(reply=lambda body, number: json.dumps({"explanation": "", "rating": number % 3 + 1}))
    ) as fake:
        yield fake


def panel(path: Path, **judges: dict[str, Any]) -> Path:
    """A file of settings with these judges, by name."""
    listed = [{"judge_model": name, **settings} for name, settings in judges.items()]
    path.write_text(yaml.safe_dump({"judges": listed}), encoding="utf-8")
    return path


def show(program: Program, *further: object) -> Any:
    return json.loads(program("show", "--bench-name", BENCH, "--format", "json", *further).stdout)


def test_three_judges_have_a_file_each_and_an_honest_mean(
    program: Program,
    model_endpoint: FakeOpenAI,
    judge_endpoint: FakeOpenAI,
    strict_endpoint: FakeOpenAI,
    tmp_path: Path,
) -> None:
    def failing(body: dict[str, Any], number: int) -> Any:
        if body["model"] == "ill" and number % 2:
            return Fault((400, "injected"))
        return judge_reply(body, number)

    judge_endpoint.reply = failing
    config = panel(
        tmp_path / "panel.yaml",
        kind={"judge_api_base": judge_endpoint.url},
        ill={"judge_api_base": judge_endpoint.url, "judge_parallel": 1},
        strict={
            "judge_api_base": strict_endpoint.url,
            "judge_api_key": "env:STRICT_KEY",
            "judge_max_tokens": 99,
            "price": {"input": 1000, "output": 2000},
        },
    )
    program.env |= {"STRICT_KEY": "secret-of-strict"}
    command = ["run", *arguments(model_endpoint, judge_endpoint)[:8], "--config", config]
    first = program(*command)
    assert first.returncode == 3, first.stderr
    files = {name: judgments(tmp_path, name) for name in ("kind", "ill", "strict")}
    assert (len(files["kind"]), len(files["strict"])) == (TURNS, TURNS)
    assert 0 < len(files["ill"]) < TURNS
    assert {line["judge"][0] for line in files["ill"]} == {"ill"}
    assert {request["max_tokens"] for request in strict_endpoint.requests} == {99}
    keys = {request["authorization"] for request in judge_endpoint.requests}
    assert (keys, {r["authorization"] for r in strict_endpoint.requests}) == (
        {"Bearer not-needed"},
        {"Bearer secret-of-strict"},
    )

    shown = show(program)
    model, judges = shown["models"]["model"], shown["judges"]
    assert shown["judge"] == "ill + kind + strict"
    # The mean is of those items alone that all three have graded, and the others stand beside it.
    assert model["counts"] == {"scored": len(files["ill"]), "unscored": TURNS - len(files["ill"]), "failed": 0}
    assert {name: alone["model"]["counts"]["failed"] for name, alone in judges.items()} == {
        "ill": TURNS - len(files["ill"]), "kind": 0, "strict": 0,
    }  # fmt: skip
    graded = {(line["question_id"], line["turn"]) for line in files["ill"]}
    scores = [
        line["score"] for lines in files.values() for line in lines if (line["question_id"], line["turn"]) in graded
    ]
    assert model["average"] == pytest.approx(sum(scores) / len(scores))
    assert judges["strict"]["model"]["average"] == pytest.approx(sum(line["score"] for line in files["strict"]) / TURNS)
    assert [row["judges"] for row in shown["agreement"]] == [["ill", "kind"], ["ill", "strict"], ["kind", "strict"]]
    assert show(program, "--judge-model", "kind")["judge"] == "kind"
    assert show(program, "--judge-model", "kind", "--judge-model", "strict")["judge"] == "kind + strict"

    judge_endpoint.reply = judge_reply
    calls = len(strict_endpoint.requests), len(judge_endpoint.requests)
    assert program(*command).returncode == 0  # only what the ill judge owes is asked again
    assert (len(strict_endpoint.requests), len(judge_endpoint.requests)) == (calls[0], calls[1] + TURNS - len(graded))
    manifest = json.loads((tmp_path / "outputs" / BENCH / "manifest.json").read_text())
    assert {name: judge["reported"] for name, judge in manifest["judges"].items()} == {
        name: [f"{name}-2026-01-01"] for name in files
    }
    # Of each call 10 tokens in and 5 out; the price of the others is not known, and so not 0.
    assert manifest["judges"]["strict"]["cost"] == {"usd": pytest.approx(TURNS * (10 * 1000 + 5 * 2000) / 1e6)}
    assert (manifest["judges"]["kind"]["cost"], manifest["spent"]["cost"]) == (None, None)
    assert manifest["judges"]["ill"]["usage"]["calls"] == TURNS
    everything = "".join(p.read_text(errors="replace") for p in (tmp_path / "outputs").rglob("*") if p.is_file())
    assert "secret-of-strict" not in everything + first.stdout + first.stderr


def test_repeats_measure_the_judges_own_noise(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    command = ["run", *arguments(model_endpoint, judge_endpoint)]
    assert program(*command).returncode == 0
    before = {(line["question_id"], line["turn"]): line["score"] for line in judgments(tmp_path)}
    judge_endpoint.reply = lambda body, number: json.dumps({"explanation": "", "rating": 10})
    assert program(*command, "--judge-repeats", 3).returncode == 0
    assert len(judge_endpoint.requests) == 3 * TURNS  # what was there is the first of three
    lines = judgments(tmp_path)
    assert {repeat: sum(line["repeat"] == repeat for line in lines) for repeat in range(3)} == dict.fromkeys(
        range(3), TURNS
    )
    (itself,) = show(program)["agreement"]
    exact = [2 * (score == 10) + 1 for score in before.values()]  # of the three pairs of each item
    assert (itself["judges"], itself["items"]) == (["judge", "judge"], 3 * TURNS)
    assert itself["exact"] == pytest.approx(sum(exact) / (3 * TURNS))
    assert program(*command, "--judge-repeats", 3).returncode == 0
    assert len(judge_endpoint.requests) == 3 * TURNS


def test_two_judges_compare_pairs_each_in_a_table_of_its_own(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    judge_endpoint.reply = lambda body, number: json.dumps(
        {"explanation": "", "verdict": "A" if body["model"] == "first" else "C"}
    )
    generate = ["generate", *arguments(model_endpoint, judge_endpoint)[:8], "--first-n", 2]
    for name in ("one", "two"):
        assert program(*generate, "--model-id", name).returncode == 0
    judges = ["--judge-model", "first", "--judge-model", "second", "--judge-api-base", judge_endpoint.url]
    compare = ["judge", "--bench-name", BENCH, "--first-n", 2, "--mode", "pairwise-all", *judges]
    result = program(*compare, "--judge-repeats", 2)
    assert result.returncode == 0, result.stderr
    assert [len(judgments(tmp_path, name, "pair")) for name in ("first", "second")] == [8, 8]
    assert ("judge first" in result.stdout, "judge second" in result.stdout) == (True, True)
    assert "several judges; choose" in program("show", "--bench-name", BENCH, "--mode", "pairwise-all").stderr


def test_judge_that_becomes_another_model_is_flagged(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    def moving(body: dict[str, Any], number: int) -> Any:
        return completion({"model": "old" if number <= QUESTIONS else "new"}, judge_reply(body, number))

    judge_endpoint.reply = moving
    result = program("run", *arguments(model_endpoint, judge_endpoint))
    assert result.returncode == 0, result.stderr
    assert "judge now answers as new-2026-01-01, before as old-2026-01-01" in " ".join(result.stderr.split())
    remark = "judge answered as several models (new-2026-01-01, old-2026-01-01)"
    assert remark in " ".join(program("show", "--bench-name", BENCH).stdout.split())
    assert show(program)["reported"] == {"judge": ["new-2026-01-01", "old-2026-01-01"]}


def test_judge_on_azure_is_called_by_its_deployment_and_version(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    azure = judge_endpoint.url.removesuffix("/v1")
    program.env |= {"AZURE_KEY": "secret-of-azure"}
    result = program(
        "run", *arguments(model_endpoint, judge_endpoint)[:8], "--judge-model", "my-gpt-4o", "--judge-api-base", azure,
        "--judge-api-version", "2024-10-21", "--judge-api-key", "env:AZURE_KEY",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert {(request["path"], request["api-key"]) for request in judge_endpoint.requests} == {
        ("/openai/deployments/my-gpt-4o/chat/completions?api-version=2024-10-21", "secret-of-azure")
    }
    assert len(judgments(tmp_path, "my-gpt-4o")) == TURNS


@pytest.mark.parametrize(
    ("judges", "words"),
    [
        ([{"rpm": 3}], "judges[0]: needs judge_model"),
        (["gpt-4o", {"judge_modl": "x"}], "unknown key 'judges[1].judge_modl'"),
        (["gpt-4o", "gpt-4o"], "two judges would share a name: gpt-4o, gpt-4o"),
        ([{"judge_model": "x", "judge_api_key": "sk-123"}], "judges[0].judge_api_key: a key does not belong in a file"),
        ([{"judge_model_path": "a"}, {"judge_model_path": "b"}], "only one of them can run on this cluster"),
        ([{"judge_model": "x", "price": {"inptu": 1}}], "judges[0].price"),
        ([{"judge_model_path": "x", "judge_batch": True}], "judge_batch is for the API"),
        ([{"judge_model": "x", "judge_api_version": "2024-10-21"}], "judge_api_version needs judge_api_base"),
    ],
)
def test_wrong_panel_is_refused_by_entry(program: Program, tmp_path: Path, judges: list[Any], words: str) -> None:
    config = tmp_path / "panel.yaml"
    config.write_text(yaml.safe_dump({"judges": judges}), encoding="utf-8")
    result = program("judge", "--bench-name", BENCH, "--config", config)
    assert (result.returncode, words in result.stderr) == (2, True), result.stderr
