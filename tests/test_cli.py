"""The command line: light to start, FastChat's flags, settings from file, environment and flags."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from conftest import Program

from mtbench_ko.cli import cli
from mtbench_ko.cli.options import read_config, settings
from mtbench_ko.cli.secrets import hide_literal_keys
from mtbench_ko.config import RunConfig, load_config, read_key

HEAVY = {"ray", "vllm", "torch", "transformers", "pandas", "openai", "boto3", "numpy", "matplotlib", "jinja2"}


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, also those of groups."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


COMMANDS = dict(commands(cli))


def test_help_loads_nothing_heavy() -> None:
    probe = (
        "import json, sys, mtbench_ko.cli as c\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    c.cli.main([*words, '--help'], standalone_mode=False)\n"
        "    print(*words, json.dumps([*sys.modules]), sep='\\t', file=sys.stderr)"
    )
    told = subprocess.run(
        [sys.executable, "-c", probe, json.dumps([*COMMANDS])], text=True, capture_output=True, check=True
    ).stderr.splitlines()
    assert len(told) == len(COMMANDS) > 9
    for line in told:
        *words, modules = line.split("\t")
        assert HEAVY.isdisjoint(json.loads(modules)), words


def test_job_begins_without_what_only_some_of_them_need() -> None:
    probe = "import json, sys, mtbench_ko.cli._job; print(json.dumps([*sys.modules]))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True).stdout)
    assert {"scipy", *HEAVY}.intersection(loaded) <= {"pandas", "numpy", "jinja2"}


@click.command()
@settings("bench", "answers", "model", "engine", "generation", "judge", "output")
@click.pass_context
def probe(context: click.Context, /, **_: object) -> None:
    click.echo(read_config(context).model_dump_json())


def parsed(*arguments: str, env: dict[str, str] | None = None) -> RunConfig:
    result = CliRunner().invoke(probe, arguments, env=env, catch_exceptions=False)
    return RunConfig(**json.loads(result.stdout))


def test_flag_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("max_new_token: 1\nnum_choices: 2\nparallel: 3\nmodel_path: one\n")
    config = parsed(
        "--config", str(file), "--max-new-token", "7",
        env={"MTBENCH_KO_MAX_NEW_TOKEN": "5", "MTBENCH_KO_NUM_CHOICES": "6"},
    )  # fmt: skip
    assert (config.max_new_token, config.num_choices, config.parallel) == (7, 6, 3)
    assert (config.model_path, config.judge_parallel) == (["one"], 50)


def test_fastchats_lists_take_every_value_up_to_the_next_flag() -> None:
    assert parsed("--model-list", "a", "b", "c", "--num-choices", "2").model_list == ["a", "b", "c"]


def test_models_are_named_by_the_last_part_of_their_path() -> None:
    config = parsed("--model-path", "org/a-7b", "--model-path", "/weights/b/", "--model-id", "first")
    assert config.model_names == ["first", "b"]


def test_each_entry_of_models_has_flags_as_defaults_and_its_own_settings(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "num_gpus_per_model: 2\nengine_arg: {seed: 1, max_num_seqs: 8}\n"
        "models:\n- org/a-7b\n"
        "- {model_path: /w/b, model_id: large, num_gpus_per_model: 8, replicas: 1, engine_arg: {max_num_seqs: 4}}\n"
    )
    config = load_config({"dtype": "bfloat16", "chat_template_kwargs": {"enable_thinking": False}}, str(file))
    small, large = config.entries
    assert config.model_names == ["a-7b", "large"]
    assert (small.num_gpus_per_model, large.num_gpus_per_model) == (2, 8)
    assert (small.wanted_replicas, large.wanted_replicas) == (None, 1)
    assert large.engine_args == {"dtype": "bfloat16", "seed": 1, "max_num_seqs": 4}
    assert small.chat_template_kwargs == large.chat_template_kwargs == {"enable_thinking": False}
    assert not small.trust_remote_code


def test_engine_arguments_are_read_as_json_where_they_can_be() -> None:
    config = parsed("--engine-arg", "max-model-len=4096", "--engine-arg", "quantization=fp8")
    assert config.engine_arg == {"max_model_len": 4096, "quantization": "fp8"}
    assert parsed("--chat-template-kwargs", "enable_thinking=false").chat_template_kwargs == {"enable_thinking": False}


def test_literal_key_from_the_environment_stays_there() -> None:
    config = parsed(env={"MTBENCH_KO_JUDGE_API_KEY": "sk-1"})
    assert config.judge_api_key == "env:MTBENCH_KO_JUDGE_API_KEY"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=[" ".join(words) for words in COMMANDS])
def test_every_setting_of_a_command_is_explained(command: click.Command) -> None:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []
    named = [str(each.metavar or each.name).upper() for each in command.params if isinstance(each, click.Argument)]
    assert [name for name in named if name not in (command.help or "")] == []


def test_environment_reaches_the_program(program: Program) -> None:
    assert "unknown bench 'nonsense'" in program("generate", env={"MTBENCH_KO_BENCH_NAME": "nonsense"}).stderr


def test_saved_settings_hold_no_secret() -> None:
    config = parsed(
        "--model", "m", "--openai-api-base", "http://user:secret@host:1/v1?key=secret",
        "--engine-arg", "api-key=secret", "--engine-arg", "max_num_batched_tokens=1",
        "--engine-arg", "tokenizer_mode=slow",
    ).model_copy(update={"s3_endpoint_url": "http://user:secret@store:9000"})  # fmt: skip
    public = config.public()
    assert "secret" not in json.dumps(public)
    assert (public["openai_api_base"], public["s3_endpoint_url"]) == ("http://host:1/v1", "http://store:9000")
    hidden = {"api_key": "***"}
    assert public["engine_arg"] == hidden | {"max_num_batched_tokens": 1, "tokenizer_mode": "slow"}


def test_typed_key_leaves_the_command_line_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, argv: started.append(argv[3:]))
    for name in ("OPENAI", "JUDGE"):
        monkeypatch.setenv(f"MTBENCH_KO_{name}_API_KEY", "")
    typed = ["run", "--openai-api-key", "none", "--references", "none", "--judge-api-key=none", "--model-id", "none"]
    given = {"openai_api_key": "none", "judge_api_key": "none", "references": "none"}
    hide_literal_keys(given, ["mtbench-ko", *typed])
    openai, judge = "env:MTBENCH_KO_OPENAI_API_KEY", "env:MTBENCH_KO_JUDGE_API_KEY"
    shown = ["run", f"--openai-api-key={openai}", "--references", "none", f"--judge-api-key={judge}", *typed[-2:]]
    assert started == [shown]
    assert given == {"openai_api_key": openai, "judge_api_key": judge, "references": "none"}


@pytest.mark.parametrize("base", [None, "http://127.0.0.1:1/v1"])
def test_openais_key_goes_to_openai_alone(base: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    assert read_key(None, base, "--judge-api-key") == ("not-needed" if base else "sk-openai")
    assert read_key("env:OPENAI_API_KEY", base, "--judge-api-key") == "sk-openai"


def test_version(program: Program) -> None:
    assert program("--version").stdout.startswith("mtbench-ko, version ")
