"""A key, in whichever way it was given, is in no file, no message and no command line: the failing ways too."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest
from batch_driver import ask
from canaries import CANARY, EVERYWHERE, LOUD, UNREACHED, nowhere, written
from click.testing import CliRunner
from conftest import Program
from fake_batches import FakeBatches, error
from fake_openai import FakeOpenAI, Fault
from report_outputs import BENCH as REPORT_BENCH
from report_outputs import JUDGE, MODEL, write_answers, write_bench, write_lines
from run_checks import BENCH
from s3_server import SECRET, S3Server

from mtbench_ko.cli import cli, secrets
from mtbench_ko.cli.secrets import hide_literal_keys
from mtbench_ko.config import RunConfig
from mtbench_ko.engine import Completion, CompletionFailed, EndpointSpec, Sampling, ask_once
from mtbench_ko.engine.base import Failure
from mtbench_ko.errors import Stopped
from mtbench_ko.job.doctor import examine_settings
from mtbench_ko.store import judgment_path

VOTES = Path(__file__).parent / "votes"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with answers and judgments, and the question set beside it."""
    folder = tmp_path_factory.mktemp("judged")
    write_bench(folder)
    write_answers(folder, MODEL)
    line = {"question_id": 1, "model": MODEL, "judge": [JUDGE, "single-v1"], "score": 7, "turn": 1, "tstamp": 1}
    write_lines(judgment_path(folder, REPORT_BENCH, JUDGE, "judgment"), [line | {"judgment": "[[7]]"}])
    return folder


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["show", "--output", "{judged}", "--bench-name", "{bench}", "--format", "json"], 0),
        (["show", "--output", "{judged}", "--bench-name", "absent"], 2),
        (["show", "--output", "s3://bucket/run", "--s3-endpoint-url", UNREACHED], 1),
        (["report", "--output", "{judged}", "--bench-name", "{bench}", "--report-folder", "report"], 0),
        (["report", "--output", "s3://bucket/run", "--s3-endpoint-url", UNREACHED], 1),
        (["agreement", "--votefiles", str(VOTES / "human.parquet"), str(VOTES / "gpt4_pair.parquet")], 0),
        (["agreement", "--output", "{judged}", "--bench-name", "{bench}"], 2),
        (["data", "list"], 0),
        (["data", "check", BENCH], 0),
        (["data", "fetch", "mt_bench", "--data-mirror", f"{UNREACHED}/files?key={CANARY}"], 1),
        (["sync", "status", "--output", "s3://bucket/run", "--s3-endpoint-url", UNREACHED], 1),
        (["sync", "pull", "new", "--output", "s3://bucket/run", "--s3-endpoint-url", f"{UNREACHED}:x"], 2),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else str(value),
)  # fmt: skip
def test_commands_that_need_no_key_say_nothing_of_it(
    program: Program, judged: Path, tmp_path: Path, command: list[str], code: int
) -> None:
    places = {"judged": judged, "bench": judged / REPORT_BENCH}
    result = program(*(part.format(**places) for part in command), env=EVERYWHERE | LOUD)
    assert result.returncode == code, result.stderr
    nowhere(tmp_path, result)
    assert written(judged.rglob("*")) == []


def test_run_in_a_bucket_is_pushed_and_pulled_without_the_credentials(
    program: Program, s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "run" / "_state").mkdir(parents=True)
    (tmp_path / "run" / "_state" / "journal.jsonl").touch()
    place = ["--output", f"s3://{bucket}/run", "--s3-endpoint-url", s3.url]
    spool = s3.env | {"MTBENCH_KO_SPOOL": str(tmp_path / "spool")}
    results = [program("sync", *part, *place, env=spool) for part in (["push", "run"], ["status"], ["pull", "new"])]
    assert [result.returncode for result in results] == [0, 0, 0], results
    refused = program("sync", "status", *place, env=spool | {"AWS_SECRET_ACCESS_KEY": CANARY})
    assert (refused.returncode, "the secret key is wrong" in refused.stderr) == (1, True)
    nowhere(tmp_path, refused)
    assert SECRET not in "".join(result.stdout + result.stderr for result in results)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"judge_api_key: {CANARY}", "judge_api_key: a key does not belong in a file"),
        (f"judges: [{{judge_model: j, judge_api_key: {CANARY}}}]", "judges[0].judge_api_key: a key does not belong"),
        (f"openai_api_key: env:{CANARY}", "openai_api_key: after env: comes the name of a variable"),
        (f"engine_arg: {{hf_token: {CANARY}}}", "HF_TOKEN"),
        (f"judge_model_path: w\njudge_engine_arg: {{hf_token: {CANARY}}}", "HF_TOKEN"),
        (f"judge_api_base: http://u:{CANARY}@h:port/v1", "judge_api_base: not the URL of a server"),
        (f"judge_api_base: ftp://u:{CANARY}@h/v1", "judge_api_base: not the URL of a server"),
        (f"judge_api_key: {CANARY}: x", "run.yaml:1:36: not YAML: mapping values are not allowed here"),
        (f"judge_api_key: '{CANARY}", "run.yaml:1:37: not YAML: found unexpected end of stream"),
        (f"judge_api_key: [{CANARY}]", "judge_api_key"),
        (f"rpm: {CANARY}", "rpm"),
    ],
)
def test_key_in_a_file_of_settings_is_refused_without_being_repeated(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(cli, ["run", "--config", str(tmp_path / "run.yaml")])
    assert words in str(result.exception)
    assert CANARY not in f"{result.output}{result.exception}"


def test_key_that_a_shell_put_in_for_its_variable_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for key in (CANARY, CANARY.replace("-", "")):
        result = CliRunner().invoke(
            cli, ["judge", "--bench-name", BENCH, "--judge-model", "gpt-4o", "--judge-api-key", f"env:{key}"]
        )
        assert "--judge-api-key" in str(result.exception) or "judge_api_key" in str(result.exception)
        assert key not in f"{result.output}{result.exception}"


def test_saved_settings_hold_no_secret(tmp_path: Path) -> None:
    config = RunConfig(
        model="m", openai_api_base=f"http://user:{CANARY}@host:1/v1?key={CANARY}", s3_endpoint_url=UNREACHED,
        engine_arg={"hf_overrides": {"api_key": CANARY, "url": UNREACHED}, "tokenizer": "other", "seed": 1},
        judges=[{"judge_model": "j", "judge_api_base": f"http://host/v1?key={CANARY}", "judge_api_key": "env:KEY"}],
        data_mirror=UNREACHED,
    )  # fmt: skip
    saved = config.public()
    assert CANARY not in json.dumps(saved)
    assert saved["openai_api_base"] == "http://host:1/v1"
    assert saved["judges"][0]["judge_api_key"] == "env:KEY"
    assert saved["engine_arg"]["tokenizer"] == "other"


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    ("setting", "value", "place"),
    [
        ("judge_api_key", CANARY, "env:MTBENCH_KO_JUDGE_API_KEY"),
        ("openai_api_key", CANARY, "env:MTBENCH_KO_OPENAI_API_KEY"),
        ("openai_api_base", f"http://user:{CANARY}@host/v1", None),
        ("judge_api_base", f"http://host/v1?key={CANARY}", None),
        ("s3_endpoint_url", UNREACHED, None),
        ("data_mirror", UNREACHED, None),
    ],
)
def test_key_typed_on_the_command_line_moves_to_the_environment(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, place: str | None, joined: bool
) -> None:
    monkeypatch.setenv(f"MTBENCH_KO_{setting.upper()}", "another")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, argv: started.append(argv))
    flag = f"--{setting.replace('_', '-')}"
    typed = [f"{flag}={value}"] if joined else [flag, value]
    hide_literal_keys({setting: value}, ["mtbench-ko", "run", "--model", "m", *typed, flag, value, "--first-n", "1"])
    ((_, *argv),) = started
    moved = [f"{flag}={place}"] * 2 if place else []
    assert argv == ["-m", "mtbench_ko", "run", "--model", "m", *moved, "--first-n", "1"]
    assert os.environ[f"MTBENCH_KO_{setting.upper()}"] == value
    assert secrets.os is os


@pytest.mark.parametrize(
    "argument", [f"--judge-api-base=http://u:{CANARY}@h/v1", f"http://h/v1?key={CANARY}", f"--judge-api-key={CANARY}"]
)
def test_slurm_job_refuses_a_key_in_its_arguments(argument: str) -> None:
    script = Path(__file__).parents[1] / "slurm" / "eval.sh"
    environment = os.environ | {"SLURM_JOB_ID": "1"}
    result = subprocess.run(["bash", script, "run", argument], env=environment, text=True, capture_output=True)
    assert (result.returncode, "scontrol show job" in result.stderr) == (2, True), result.stderr
    assert CANARY not in result.stdout + result.stderr


@pytest.mark.parametrize("fault", [
    (401, f"Incorrect API key provided: {CANARY}"), (403, f"{CANARY} may not"), (404, f"no model for {CANARY}"),
    (400, "x" * 1908 + f" {CANARY}" * 8), (500, f"boom {CANARY}"), (200, f"wrong: {CANARY}"),
])  # fmt: skip
@pytest.mark.parametrize("place", ["key", "user", "query"])
def test_endpoint_that_sends_the_key_back_is_quoted_without_it(
    model_endpoint: FakeOpenAI, place: str, fault: tuple[int, str]
) -> None:
    base, key = model_endpoint.url, "another"
    if place == "user":
        base = base.replace("://", f"://me:{CANARY}@")
    elif place == "query":
        base += f"?key={CANARY}"
    else:
        key = CANARY
    model_endpoint.reply = lambda body, number: Fault(fault)
    spec = EndpointSpec("m", base, key, 1, timeout=5, deadline=5, tries=1)
    reply = asyncio.run(ask_once(spec, [{"role": "user", "content": "x"}], Sampling(0, 8)))
    assert isinstance(reply, Failure)
    assert "***" in reply.detail
    assert CANARY[:6] not in reply.detail  # nor a piece of it, where it is cut
    assert CANARY not in repr(spec)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_batch_whose_lines_send_the_key_back_is_quoted_without_it(
    tmp_path: Path, api: FakeBatches, status: int
) -> None:
    api.key, api.reply = CANARY, lambda body, number: error(status, f"Incorrect API key provided: {CANARY}")
    (failed,) = ask(tmp_path, api, "가")
    assert isinstance(failed, CompletionFailed | Stopped)
    assert ("***" in str(failed), CANARY in str(failed)) == (True, False)
    assert written(tmp_path.rglob("*")) == []


def test_batch_that_fails_with_the_key_in_its_reason_is_quoted_without_it(tmp_path: Path, api: FakeBatches) -> None:
    api.key, api.ends = CANARY, [("invalid", f"no batches for {CANARY}")]
    (failed,) = ask(tmp_path, api, "가")
    assert isinstance(failed, Stopped)
    assert "no batches for ***" in str(failed)
    assert written(tmp_path.rglob("*")) == []


def test_user_and_query_of_a_url_reach_the_endpoint(model_endpoint: FakeOpenAI) -> None:
    base = f"{model_endpoint.url.replace('://', '://me:p%40ss@')}?key=k"
    spec = EndpointSpec("m", base, "unused", 1)
    reply = asyncio.run(ask_once(spec, [{"role": "user", "content": "x"}], Sampling(0, 8)))
    assert isinstance(reply, Completion)
    (request,) = model_endpoint.requests
    assert request["path"] == "/v1/chat/completions?key=k"
    assert request["authorization"] == "Basic bWU6cEBzcw=="  # me:p@ss


@pytest.mark.parametrize("base", ["{url}", "http://user:{key}@127.0.0.1:9/v1", "http://127.0.0.1:9/v1?key={key}"])
def test_doctor_repeats_no_key(model_endpoint: FakeOpenAI, tmp_path: Path, base: str) -> None:
    model_endpoint.reply = lambda body, number: Fault((401, f"Incorrect API key provided: {CANARY}"))
    key, base = tmp_path / "key", base.format(url=model_endpoint.url, key=CANARY)
    key.write_text(f"{CANARY}\n")
    config = RunConfig(
        bench_name=BENCH, output=str(tmp_path / "out"), model="m", openai_api_base=base, judge_model=["j"],
        judge_api_base=base, openai_api_key=f"file:{key}", judge_api_key=f"file:{key}",
    )  # fmt: skip
    findings = [str(finding) for finding in examine_settings(config)]
    assert [finding.split()[0] for finding in findings] == ["ok", "failed", "failed", "ok", "ok"]
    assert CANARY not in "".join(findings)
