"""What doctor looks at besides models and GPUs (those: test_several_models.py)."""

from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner
from s3_server import S3Server

from mtbench_ko.cli import cli
from mtbench_ko.config import RunConfig
from mtbench_ko.engine import Weights
from mtbench_ko.errors import Preempted
from mtbench_ko.job.doctor import examine_settings

NATIVE = {"bench_name": "mt_bench_ko_native"}


def findings(what: str, **settings: object) -> list[tuple[str, str]]:
    return [(each.level, each.text) for each in examine_settings(RunConfig(**NATIVE | settings)) if each.what == what]


def test_bucket_is_probed_and_left_as_it_was(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{bucket}/run"
    assert findings("output", output=url, s3_endpoint_url=s3.url) == [
        ("ok", f"{url} can be written, and keeps a second writer out")
    ]
    assert "Contents" not in s3.client().list_objects_v2(Bucket=bucket)
    [(level, text)] = findings("output", output=f"s3://{bucket}-gone/run", s3_endpoint_url=s3.url)
    assert (level, "there is no such bucket" in text) == ("failed", True)


def test_every_check_is_made_whatever_the_others_say(tmp_path: Path) -> None:
    levels = {
        each.what: each.level
        for each in examine_settings(RunConfig(bench_name="nonsense", output=str(tmp_path), judge_model=["gpt-4o"]))
    }
    assert levels == {"questions": "failed", "models": "failed", "judge": "failed", "output": "ok", "disk": "ok"}


def test_signal_ends_it_with_no_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def told_to_end(*_: object) -> NoReturn:
        raise Preempted("told to end")

    settings = {"bench_name": NATIVE["bench_name"], "output": str(tmp_path)}
    monkeypatch.setattr("mtbench_ko.engine.ray_cluster", told_to_end)
    result = CliRunner().invoke(cli, ["doctor", *(f"--{key.replace('_', '-')}={settings[key]}" for key in settings)])
    assert isinstance(result.exception, Preempted), result.output
    monkeypatch.setattr("mtbench_ko.job.doctor.find_panel", told_to_end)
    with pytest.raises(Preempted):
        list(examine_settings(RunConfig(**settings)))


def test_incomplete_weights_are_missed_and_a_second_format_is_not(tmp_path: Path) -> None:
    weights = Weights("m", None, "sha256:x", "", folder=tmp_path)
    assert weights.missing_files() == ["weights"]
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}'
    )
    (tmp_path / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "1.bin", "b": "2.bin", "c": "3.bin"}}')
    (tmp_path / "1.safetensors").write_bytes(b"12")
    assert weights.missing_files() == ["2.safetensors"]
    (tmp_path / "2.safetensors").write_bytes(b"3")
    (tmp_path / "1.bin").write_bytes(b"123")
    assert weights.missing_files() == []
    assert weights.size() == 3
