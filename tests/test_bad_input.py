"""Bad input ends with exit code 2 and a message that names the place and the remedy, before any engine starts."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import Program

from mtbench_ko.config import load_config, read_key
from mtbench_ko.errors import UsageError

JUDGE = ("--judge-model", "judge", "--judge-api-base", "http://127.0.0.1:9/v1")
MODEL = ("--model", "m", "--openai-api-base", "http://127.0.0.1:9/v1")
NATIVE = ("--bench-name", "mt_bench_ko_native")


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def write_bench(folder: Path, lines: list[str]) -> Path:
    bench = folder / "bench"
    bench.mkdir()
    (bench / "question.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return bench


def question(number: int, **changes: object) -> str:
    return json.dumps({"question_id": number, "category": "writing", "turns": ["가", "나"]} | changes)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("1: foo", ["unknown key '1'"]),
        ("on: x", ["unknown key"]),
        ("output: 2024-13-45", ["not YAML", "month must be in 1..12"]),
    ],
)
def test_config_that_yaml_reads_otherwise(tmp_path: Path, written: str, words: list[str]) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(written)
    with pytest.raises(UsageError) as refusal:
        load_config({}, str(config))
    assert [word for word in [str(config), *words] if word not in str(refusal.value)] == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp949"])
def test_key_in_a_file_of_another_encoding(tmp_path: Path, encoding: str) -> None:
    """Such as PowerShell's > writes it. The message shows nothing of the key."""
    file = tmp_path / "key"
    file.write_text("sk-canary-열쇠" if encoding == "cp949" else "sk-canary", encoding=encoding)
    with pytest.raises(UsageError, match="--judge-api-key") as refusal:
        read_key(f"file:{file}", None, "--judge-api-key")
    assert "canary" not in str(refusal.value)


def test_unknown_bench(program: Program) -> None:
    refused(program("generate", *MODEL, "--bench-name", "mt_bench_kr"), "mt_bench_kr", "mt_bench_ko_native")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([question(1), '{"question_id": 2, "category": '], ["question.jsonl:2", "not JSON"]),
        ([question(1), question(2, turns="하나")], ["question.jsonl:2", "'turns'"]),
        ([question(1), question(2, turns=[])], ["question.jsonl:2", "'turns'"]),
        ([question(1), json.dumps({"question_id": 3, "turns": ["가"]})], ["question.jsonl:2", "'category'"]),
        ([question(7), question(8), question(7)], ["question.jsonl:3", "'question_id'", "line 1"]),
        ([question(1, category="math")], ["question 1", "--references none"]),
    ],
)
def test_malformed_question_set(program: Program, tmp_path: Path, lines: list[str], words: list[str]) -> None:
    bench = write_bench(tmp_path, lines)
    (bench / "reference_answer").mkdir()
    (bench / "reference_answer" / "gpt-4.jsonl").write_text("")
    refused(program("run", *MODEL, *JUDGE, "--bench-name", bench), *words)


def test_no_references(program: Program, tmp_path: Path) -> None:
    bench = write_bench(tmp_path, [question(1)])
    refused(program("run", *MODEL, *JUDGE, "--bench-name", bench), "reference_answer", "--references none")


def test_folder_that_is_no_model(program: Program, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    command = ("generate", *NATIVE, "--model-path")
    refused(program(*command, tmp_path / "empty"), "not a model folder", "config.json")
    refused(program(*command, "./nowhere"), "no such folder")
    refused(program(*command, "somebody/some-model"), "hub")  # HF_HUB_OFFLINE is set, and the cache is empty


def test_model_without_chat_template(program: Program, tiny_models: list[Path], tmp_path: Path) -> None:
    bare = tmp_path / "vicuna-7b-v1.5"
    bare.mkdir()
    for file in tiny_models[0].iterdir():
        if file.name != "chat_template.jinja":
            (bare / file.name).symlink_to(file)
    command = ("generate", *NATIVE, "--model-path", bare)
    refused(program(*command), "chat template", "probably --chat-template vicuna", "--chat-template FILE")
    refused(program(*command, "--chat-template", "vicunna"), "one of vicuna, alpaca, llama-2, eeve")


def test_more_gpus_than_exist(program: Program, tiny_models: list[Path]) -> None:
    result = program("generate", *NATIVE, "--model-path", tiny_models[0], "--num-gpus-per-model", 4096)
    refused(result, "--num-gpus-per-model 4096", "the cluster has")


def test_missing_key_of_a_hosted_judge(program: Program) -> None:
    result = program("run", *NATIVE, *MODEL, "--judge-model", "gpt-4o-2024-08-06")
    refused(result, "--judge-api-key", "OPENAI_API_KEY is not set")


def test_no_model_and_no_judge(program: Program) -> None:
    refused(program("generate", *NATIVE), "--model-path")
    refused(program("run", *NATIVE, *MODEL), "--judge-model")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jugde_model: x", ["unknown key 'jugde_model'", "run.yaml"]),
        ("max_new_token: 0", ["max_new_token"]),
        ("judge_api_base: localhost:8000", ["judge_api_base", "not the URL of a server"]),
        ("- a list", ["run.yaml", "keys and values"]),
        ("a: [", ["run.yaml", "not YAML"]),
        ("models: [{model_path: a, dtyp: x}]", ["unknown key 'models[0].dtyp'"]),
        ("models: [a, {model_path: b, replicas: 0}]", ["models[1].replicas"]),
        ("models: [a, b/a]", ["share a name: a, a", "--model-id"]),
        ("models: [a]\nmodel_path: b", ["exclude each other"]),
        ("engine_arg: {tensor_parallel_size: 2}", ["tensor_parallel_size", "--num-gpus-per-model"]),
    ],
)
def test_bad_config_file(program: Program, tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "run.yaml").write_text(text)
    refused(program("run", "--config", "run.yaml"), *words)


def test_answers_of_another_model_are_not_written_over(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "outputs" / "mt_bench_ko_native" / "model_answer" / "m.jsonl"
    path.parent.mkdir(parents=True)
    line = {"question_id": 1001, "answer_id": "a", "model_id": "another", "choices": [{"index": 0, "turns": ["x"]}]}
    path.write_text(json.dumps(line | {"tstamp": 0}) + "\n")
    before = path.read_bytes()
    refused(program("generate", *NATIVE, *MODEL), "m.jsonl:1", "'model_id'", "another", "--model-id")
    assert path.read_bytes() == before


def test_prompt_file_without_a_slot(program: Program, tmp_path: Path) -> None:
    prompt = {"name": "single-v1", "type": "single", "system_prompt": "", "prompt_template": "{question}"}
    (tmp_path / "prompts.jsonl").write_text(json.dumps(prompt | {"output_format": "[[rating]]"}) + "\n")
    refused(program("run", *NATIVE, *MODEL, *JUDGE, "--judge-file", "prompts.jsonl"), "single-v1", "answer")


def test_output_that_another_run_is_writing(program: Program, tmp_path: Path) -> None:
    from mtbench_ko.store import RunStore

    store = RunStore(tmp_path / "outputs")
    try:
        refused(program("generate", *NATIVE, *MODEL), "another run", "--output")
    finally:
        store.close()


def test_model_path_that_is_no_hub_id(program: Program) -> None:
    refused(program("generate", *NATIVE, "--model-path", "models/my model"), "models/my model", "not a hub id")


def test_adopted_answers_to_more_turns_than_the_question_has(program: Program, tmp_path: Path) -> None:
    answer = {"question_id": 1001, "answer_id": "x", "model_id": "m", "tstamp": 1.0}
    path = tmp_path / "outputs" / NATIVE[1] / "model_answer" / "m.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(answer | {"choices": [{"index": 0, "turns": ["하나", "둘", "셋"]}]}) + "\n")
    refused(program("generate", *NATIVE, *MODEL, "--adopt"), "m.jsonl: question 1001 has 3 answers for 2 turns")
