"""The whole job with real engines: real weights in vLLM on this machine, no API anywhere."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import Program, kill, wait_for_lines
from real_nodes import core_of
from run_checks import check_run, read_jsonl

BENCH = "mt_bench_ko_native"
SHORT = ("--bench-name", BENCH, "--max-new-token", 24, "--judge-max-tokens", 200)


def test_killed_run_goes_on_with_the_judge_in_the_models_engine(
    program: Program, tiny_models: list[Path], tmp_path: Path
) -> None:
    model = tiny_models[0]
    command = (
        "run",
        *SHORT,
        "--first-n",
        8,
        "--model-path",
        model,
        "--judge-model-path",
        model,
        "--judge-model",
        "self",
    )
    journal = tmp_path / "outputs" / "_state" / "journal.jsonl"
    process = program.start(*command)
    wait_for_lines(program, process, journal, 6)
    below = psutil.Process(process.pid).children(recursive=True)
    assert core_of(process.pid) in below
    below = [each for each in below if "Agent" not in each.name()]  # Ray's look for their raylet only now and then
    kill(process)
    killed = time.monotonic()
    assert psutil.wait_procs(below, timeout=60)[1] == []  # no engine is left
    print(f"{len(below)} processes ended within {time.monotonic() - killed:.1f} s of their driver")
    result = program(*command)
    assert result.returncode in (0, 3), result.stderr  # a random model may leave a judgment without verdict
    assert "shares its engine" in result.stderr
    counts = check_run(tmp_path / "outputs", BENCH, questions=8)
    assert counts["turns"] == 16
    assert counts["scored"] >= 12
    manifest = json.loads((tmp_path / "outputs" / BENCH / "manifest.json").read_text())
    assert manifest["models"]["tiny"]["identity"].startswith("sha256:")
    assert manifest["runs"][-1]["placement"]["judge"] == "shared"


def test_without_network_the_judge_loads_after_the_model(
    program: Program, tiny_models: list[Path], tmp_path: Path
) -> None:
    """In a network namespace with nothing but loopback: no hub, no API, no telemetry."""
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs root, to make a network namespace")
    command = ("run", *SHORT, "--first-n", 4, "--model-path", tiny_models[0], "--judge-model-path", tiny_models[1])
    process = program.start(*command, prefix=alone)
    assert process.wait() in (0, 3), program.log()
    assert "the judge loads after the models have gone" in program.log()
    assert check_run(tmp_path / "outputs", BENCH, questions=4)["turns"] == 8
    assert (tmp_path / "outputs" / BENCH / "model_judgment" / "other_single.jsonl").is_file()


@pytest.fixture
def vllm_server(tiny_models: list[Path], tmp_path: Path) -> object:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(tiny_models[0]),
        "--served-model-name", "served", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32",
        "--enforce-eager", "--kv-cache-memory-bytes", "64M", "--max-model-len", "16384",
    ]  # fmt: skip
    environment = Program(tmp_path).env | {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 300
        while server.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
        server.terminate()
        server.wait()


@pytest.mark.soak
def test_vllms_own_server_answers_and_judges(program: Program, vllm_server: str, tmp_path: Path) -> None:
    command = (
        "run", *SHORT, "--first-n", 4, "--model", "served", "--openai-api-base", vllm_server,
        "--judge-model", "served", "--judge-api-base", vllm_server,
    )  # fmt: skip
    result = program(*command)
    assert result.returncode in (0, 3), result.stderr + (tmp_path / "server.log").read_text()[-2000:]
    assert check_run(tmp_path / "outputs", BENCH, questions=4)["turns"] == 8
    journal = read_jsonl(tmp_path / "outputs" / "_state" / "journal.jsonl")
    turn = next(record for record in journal if record["kind"] == "turn")
    assert turn["sampling"]["top_k"] == -1
    assert turn["usage"]["completion_tokens"] <= 24
    graded = [record for record in journal if record["kind"] == "judgment"]
    assert all(record["judgment"].startswith("{") for record in graded)  # the schema was obeyed
