"""A run whose parts are killed at random, many times, ends as one that nobody disturbed."""

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from chaos import DECK, Chaos, faulty_judge, grave_judge
from conftest import ON_LOOPBACK, Program
from fake_openai import FakeOpenAI, serve
from real_nodes import NO_WORKERS, ray_nodes
from run_checks import BENCH, check_run, read_jsonl
from s3_server import S3Server

pytestmark = pytest.mark.soak
QUESTIONS, CHOICES = 16, 8
TURNS = QUESTIONS * CHOICES * 2
DEADLINE = 3600.0
SMALL = {
    "max_model_len": 4096,
    "kv_cache_memory_bytes": 64 << 20,
    "max_num_seqs": 2,  # no burst of answers
    "dtype": "float32",  # in bfloat16, where the CPU has it, texts depend on what runs beside them
}


def results(output: Path) -> dict[str, dict[str, object]]:
    """By slot: keys and texts of the answers, and keys and scores of the judgments."""
    last = {}
    for record in read_jsonl(output / "_state" / "journal.jsonl"):
        slot = f"{record.get('question_id')} {record.get('choice')} {record.get('turn')}"
        if record["kind"] == "turn":
            last[f"turn {slot}"] = {name: record[name] for name in ("key", "text")}
        elif record["kind"] == "judgment":
            last[f"judgment {slot}"] = {name: record[name] for name in ("key", "outcome", "score")}
    return last


def test_everything_is_killed_many_times_and_the_results_are_those_of_an_undisturbed_run(
    program: Program, tiny_models: list[Path], tmp_path: Path, s3: S3Server, bucket: str
) -> None:
    """Engines, their actors, judge clients, nodes, the S3 server, and the driver, with its local files and without."""
    seed = int(os.environ.get("MTBENCH_KO_SOAK_SEED", str(int(time.time()))))
    print(f"MTBENCH_KO_SOAK_SEED={seed}")
    spool, output = tmp_path / "spool", f"s3://{bucket}/chaos"
    program.env |= ON_LOOPBACK | NO_WORKERS | s3.env
    program.env |= {"MTBENCH_KO_SPOOL": str(spool), "MTBENCH_KO_S3_ENDPOINT_URL": s3.url}

    def command(judge: FakeOpenAI, output: object) -> list[object]:
        return [
            "run", "--bench-name", BENCH, "--first-n", QUESTIONS, "--num-choices", CHOICES, "--max-new-token", 192,
            "--force-temperature", 0.7,
            "--model-path", tiny_models[0], *(f"--engine-arg={name}={value}" for name, value in SMALL.items()),
            "--judge-model", "judge", "--judge-api-base", judge.url, "--output", output, "--flush-seconds", 1,
        ]  # fmt: skip

    with serve(FakeOpenAI(reply=grave_judge)) as judge:
        calm = program(*command(judge, tmp_path / "calm"))
    assert calm.returncode == 0, calm.stderr

    with ray_nodes() as nodes, serve(faulty_judge(seed)) as judge:
        for _ in range(3):
            nodes.add(1)
        program.env["RAY_ADDRESS"] = nodes.address

        def start(*more: object) -> subprocess.Popen[str]:
            return program.start(*command(judge, output), "--replicas", 3, *more)

        chaos = Chaos(nodes, s3, judge, start, spool, random.Random(seed))
        began = time.monotonic()
        try:
            chaos.run(DEADLINE)
        except RuntimeError as error:
            pytest.fail(f"{error}\n{program.log()[-6000:]}")
        finally:
            chaos.end()
        report = {
            "seed": seed,
            "seconds": round(time.monotonic() - began),
            "kills": len(chaos.events),
            "exit_codes": chaos.exits,
            "calls_to_the_judge": len(judge.requests),
            "events": chaos.events,
        }
    print(json.dumps(report))
    assert program("sync", "pull", "--output", output, tmp_path / "pulled").returncode == 0
    assert check_run(tmp_path / "pulled", BENCH, questions=QUESTIONS) == {"turns": TURNS, "scored": TURNS}
    assert results(tmp_path / "pulled") == results(tmp_path / "calm")
    assert len(chaos.events) > sum(DECK.values()) / 2  # else the run was too short to mean much
