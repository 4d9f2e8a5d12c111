"""A key is in no file, no message, no command line and no record of Ray, while a run goes on and after it."""

import subprocess
import time
from pathlib import Path

from canaries import CANARY, EVERYWHERE, LOUD, below, command_lines, nowhere, written
from conftest import ON_LOOPBACK, Program, ray_environment
from fake_openai import FakeOpenAI
from run_checks import arguments


def test_wrong_key_stops_the_run_with_everything_saved_and_the_key_nowhere(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    judge_endpoint.faults = [(401, f"Incorrect API key provided: {CANARY}")] * 100
    base = model_endpoint.url.replace("://", f"://user:{CANARY}@")
    program.env |= LOUD | {name: CANARY for name in EVERYWHERE if not name.startswith("MTBENCH")}
    command = ["run", *arguments(model_endpoint, judge_endpoint)]
    process = program.start(*command, "--openai-api-base", base, "--judge-api-key", CANARY)
    titles, logged = set(), []
    try:
        while process.poll() is None:
            titles |= set(command_lines())
            logged += written(below(Path("/tmp").glob("mtb-*")))  # Ray's session, which goes with the run
            time.sleep(0.5)
    finally:
        process.terminate()  # in good order, should the test have failed: its Ray ends with it
        process.wait()
    assert process.returncode == 4, program.log()
    assert "wrong_key" in program.log()
    assert judge_endpoint.requests[0]["authorization"] == f"Bearer {CANARY}"
    assert (written(tmp_path.rglob("*")), logged) == ([], [])
    shown = [title for title in titles if CANARY.encode() in title]
    assert len(shown) <= 1  # only the process that the user started, until it started itself anew
    judge_endpoint.faults.clear()
    assert program(*command).returncode == 0


LIST_JOBS = "import ray; ray.init(address={!r}); from ray._private.state import jobs; print(jobs())"


def test_key_is_nowhere_on_a_cluster_after_each_command(
    program: Program, shared_cluster: str, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, tmp_path: Path
) -> None:
    program.env |= ON_LOOPBACK | LOUD | {"RAY_ADDRESS": shared_cluster}
    program.env |= {name: CANARY for name in EVERYWHERE if not name.startswith("MTBENCH")}
    run = [*arguments(model_endpoint, judge_endpoint)[:7], 2, "--openai-api-key", "env:HF_TOKEN"]
    judge = [*run[:2], "--judge-model", "judge", "--judge-api-base", f"{judge_endpoint.url}?key={CANARY}"]
    results = [
        program("generate", *run),
        program("judge", *judge, "--judge-api-key", CANARY),
        program("doctor", *run, *judge[2:], "--judge-api-key", CANARY),
    ]
    assert [result.returncode for result in results] == [0, 0, 0], [result.stderr for result in results]
    assert {request["path"] for request in judge_endpoint.requests} == {f"/v1/chat/completions?key={CANARY}"}
    script = LIST_JOBS.format(shared_cluster)
    results.append(
        subprocess.run(
            [program.command()[0], "-c", script], env=ray_environment(), text=True, capture_output=True, check=True
        )
    )
    assert "mtbench_ko" in results[-1].stdout  # the drivers' command lines, as Ray keeps them
    nowhere(tmp_path, *results)
    assert written(below(Path("/tmp").glob("ray-*"))) == []
