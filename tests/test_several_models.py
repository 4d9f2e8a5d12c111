"""Several models in one run on a real Ray cluster with real engines; the GPUs are only numbers that Ray was told."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import ON_LOOPBACK, Program, kill, ray_cluster_of_others, wait_for_lines
from fake_openai import FakeOpenAI, Fault
from real_nodes import NO_WORKERS, title
from run_checks import read_jsonl

BENCH = "mt_bench_ko_native"


@pytest.fixture(scope="module")
def three_gpus() -> Iterator[str]:
    with ray_cluster_of_others(num_cpus=8, num_gpus=3) as address:
        yield address


@pytest.fixture
def on_gpus(program: Program, three_gpus: str) -> Program:
    program.env |= ON_LOOPBACK | NO_WORKERS | {"RAY_ADDRESS": three_gpus}
    return program


def settings(folder: Path, models: list[object], judge: str) -> Path:
    """A YAML file; JSON is YAML."""
    file = folder / "run.yaml"
    shared = {"bench_name": BENCH, "first_n": 4, "max_new_token": 64, "models": models}
    engine = {"kv_cache_memory_bytes": 64 << 20, "max_model_len": 4096, "max_num_seqs": 8}
    judged = {"judge_model": "judge", "judge_api_base": judge, "references": "none"}
    file.write_text(json.dumps(shared | judged | {"engine_arg": engine}))
    return file


def test_shapes_share_a_cluster_and_a_model_that_cannot_load_stops_no_other(
    on_gpus: Program, tiny_models: list[Path], judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_models[0], broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    models = [
        {"model_path": str(tiny_models[0]), "num_gpus_per_model": 2},
        {"model_path": str(tiny_models[1]), "replicas": 1},
        {"model_path": str(broken)},
    ]
    result = on_gpus("run", "--config", settings(tmp_path, models, judge_endpoint.url))
    assert result.returncode == 3, result.stderr
    assert "broken cannot be served" in result.stderr
    assert "tiny is through: " in result.stderr
    for name in ("tiny", "other"):
        answers = read_jsonl(tmp_path / "outputs" / BENCH / "model_answer" / f"{name}.jsonl")
        assert [len(answer["choices"][0]["turns"]) for answer in answers] == [2, 2, 2, 2]
    run = json.loads((tmp_path / "outputs" / BENCH / "manifest.json").read_text())["runs"][0]
    assert (run["counts"]["answered"], run["counts"]["scored"]) == (16, 16)
    assert run["counts"]["reasons"] == {"model_failed": 4}
    assert run["counts"]["judged_while_answering"] > 0
    stays = {stay["name"]: stay for stay in run["schedule"] if stay["kind"] == "model"}
    assert [list(seat.values()) for seat in stays["tiny"]["gpus"]] == [[2]]
    assert [list(seat.values()) for seat in stays["other"]["gpus"]] == [[1]]
    assert stays["other"]["loading"] < stays["tiny"]["answered"]  # beside each other
    assert stays["broken"]["loading"] >= min(stays["tiny"]["left"], stays["other"]["left"])
    assert stays["broken"]["failed"]
    assert run["engines"]["tiny"]["replicas"][0]["details"]["tensor_parallel_size"] == 2
    assert run["engines"]["other"]["tokens"] > 0
    assert any(stay["kind"] == "judge" for stay in run["schedule"])
    seeds = {record["sampling"]["seed"] for record in turns(tmp_path) if record["model_id"] == "tiny"}
    assert seeds == {record["sampling"]["seed"] for record in turns(tmp_path) if record["model_id"] == "other"}
    assert len(seeds) == 4


def turns(folder: Path) -> list[dict[str, object]]:
    return [
        record for record in read_jsonl(folder / "outputs" / "_state" / "journal.jsonl") if record["kind"] == "turn"
    ]


@pytest.mark.soak
def test_driver_that_is_killed_leaves_no_engine_on_anothers_cluster(
    on_gpus: Program, tiny_models: list[Path], judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    before = set(psutil.pids())
    config = settings(tmp_path, [str(tiny_models[0])], judge_endpoint.url)
    process = on_gpus.start("generate", "--config", config, "--first-n", 16, "--max-new-token", 400)
    wait_for_lines(on_gpus, process, tmp_path / "outputs" / "_state" / "journal.jsonl", 1)
    started = [each for each in psutil.process_iter() if each.pid not in before]
    engines = [each for each in started if any(name in title(each) for name in ("VllmReplica", "EngineCore"))]
    assert len(engines) >= 2  # the actor, and vLLM's core below it
    kill(process)
    killed = time.monotonic()
    assert psutil.wait_procs(engines, timeout=60)[1] == []
    print(f"{len(engines)} processes ended within {time.monotonic() - killed:.1f} s of their driver")


def test_doctor_finds_what_is_wrong_and_shows_the_placement(
    on_gpus: Program, tiny_models: list[Path], judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    models = [{"model_path": str(tiny_models[0]), "num_gpus_per_model": 2}, str(tiny_models[1])]
    command = ("doctor", "--config", settings(tmp_path, models, judge_endpoint.url))
    healthy = on_gpus(*command)
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    assert "judge-2026-01-01 answers (one call, which cost 15 tokens)" in healthy.stdout
    assert "nvidia-smi shows none" in healthy.stdout  # a warning: this machine's GPUs are numbers
    assert "tensor parallel 2" in healthy.stdout
    assert not (tmp_path / "outputs" / "_state").exists()
    judge_endpoint.reply = lambda body, number: Fault((401, "Incorrect API key provided"))
    (tiny_models[1] / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00002.safetensors"}}')
    try:
        sick = on_gpus(*command, "--num-gpus-total", 9)
    finally:
        (tiny_models[1] / "model.safetensors.index.json").unlink()
    assert sick.returncode == 2
    failed = [line for line in sick.stdout.splitlines() if line.startswith("failed")]
    assert any("judge: wrong_key" in line and "give the right key" in line for line in failed)
    assert any("lacks model-00002.safetensors" in line for line in failed)
    assert any("--num-gpus-total 9, and the cluster has 3 GPUs" in line for line in failed)
    assert "sk-" not in sick.stdout
