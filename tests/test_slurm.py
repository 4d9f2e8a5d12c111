"""slurm/eval.sh and slurm/array.sh on a real Slurm: two nodes, exit codes, containers, arrays."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import REPOSITORY
from fake_openai import FakeOpenAI, judge_reply
from run_checks import BENCH, QUESTIONS, check_run
from slurm_cluster import Cluster, Job, Submitter

from mtbench_ko.cli import _COMMANDS

SCRIPTS = [*(REPOSITORY / "slurm").glob("*.sh"), *(REPOSITORY / "tests" / "slurm").glob("*.sh")]
KEY = "sk-secret-0123456789"


@pytest.fixture
def endpoints(slurm: Cluster) -> Iterator[dict[str, FakeOpenAI]]:
    """A model, a judge, one that never gives a verdict, and one that knows no key."""
    fakes = {
        "model": FakeOpenAI(),
        "judge": FakeOpenAI(reply=judge_reply),
        "mute": FakeOpenAI(),
        "strict": FakeOpenAI(faults=[401] * 100),
    }
    with ExitStack() as stack:
        for fake in fakes.values():
            stack.enter_context(slurm.endpoint(fake))
        yield fakes


def judge(fake: FakeOpenAI) -> list[object]:
    return ["--judge-model", "judge", "--judge-api-base", fake.url]


def model(fake: FakeOpenAI) -> list[object]:
    return ["--model", "org/model", "--openai-api-base", fake.url]


def last_line(job: Job) -> str:
    return job.log().strip().splitlines()[-1].partition("eval: ")[2]


def test_two_nodes_with_an_engine_each(
    slurm: Cluster, submit: Submitter, tiny_models: list[Path], endpoints: dict[str, FakeOpenAI]
) -> None:
    job = submit(
        "two-nodes", "--nodes=2 --gpus=2", "--bench-name", BENCH, "--first-n", QUESTIONS,
        *(argument for path in tiny_models for argument in ("--model-path", path)),
        "--num-gpus-per-model", 1, "--max-new-token", 8,
        "--judge-api-key", "env:JUDGE_KEY", *judge(endpoints["judge"]),
        env={
            "JUDGE_KEY": KEY, "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "http_proxy": "http://127.0.0.1:9", "no_proxy": "10.213.0.1",  # Ray's own traffic does not take it
        },
    )  # fmt: skip
    job.wait_until(lambda: bool(endpoints["judge"].requests) or job.over(), "a judgment")
    shown = [slurm.run("scontrol", "-dd", "show", "job", job.number)]
    shown += [process.command for node in ("node1", "node2") for process in slurm.processes(node)]
    assert job.wait() == 0, job.log()
    assert check_run(job.folder / "outputs", BENCH, questions=QUESTIONS) == {"turns": 64, "scored": 64}
    manifest = json.loads((job.folder / "outputs" / BENCH / "manifest.json").read_text())
    engines = manifest["runs"][-1]["engines"]
    nodes = [replica["node"] for model in ("tiny", "other") for replica in engines[model]["replicas"]]
    assert set(nodes) == {"node1", "node2"}
    assert last_line(job) == f"exit code 0: complete; results: outputs/{BENCH}"
    assert endpoints["judge"].requests[0]["authorization"] == f"Bearer {KEY}"
    assert any("raylet" in command for command in shown)
    assert [text for text in [*shown, job.log()] if KEY in text or "AUTH_TOKEN" in text] == []
    slurm.wait_until_empty()
    assert [slurm.temporary_folders(node) for node in ("node1", "node2")] == [[], []]


def test_exit_codes_are_the_programs_while_jobs_share_a_node(
    slurm: Cluster, submit: Submitter, endpoints: dict[str, FakeOpenAI], tmp_path: Path
) -> None:
    """Each in another environment: modules, apptainer, pyxis. The containers' programs are stand-ins that note what
    they are called with."""
    tools = tmp_path / "bin"
    tools.mkdir()
    notes = tmp_path / "notes"
    for name, body in {
        "apptainer": f'echo "$*" >>{notes}; while [ "$1" != image.sif ]; do shift; done; shift; exec "$@"',
        "srun": f'for o; do shift; case $o in --container-*) echo "$o" >>{notes} ;; *) set -- "$@" "$o" ;; esac; done\n'
        f'exec {shutil.which("srun")} "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/bash\n{body}\n")
        (tools / name).chmod(0o755)
    path = {"PATH": f"{tools}:{submit.env['PATH']}"}
    first = ["--bench-name", BENCH, "--first-n", 1]
    one_node = "--nodelist=node1"
    jobs = {
        2: submit(
            "usage", one_node, "--bench-name", "no_such_bench", *model(endpoints["model"]), *judge(endpoints["judge"]),
            env={"EVAL_MODULES": "python cuda", "BASH_FUNC_module%%": f'() {{ echo "module $*" >>{notes}; }}'},
        ),
        3: submit(
            "unscored", one_node, *first, *model(endpoints["model"]), *judge(endpoints["mute"]),
            env=path | {"EVAL_CONTAINER": "apptainer:image.sif", "EVAL_MOUNTS": "/data:/data"},
        ),
        4: submit(
            "wrong-key", one_node, *first, *model(endpoints["strict"]), *judge(endpoints["judge"]),
            env=path | {"EVAL_CONTAINER": "pyxis:registry#image:1"},
        ),
    }  # fmt: skip
    for code, job in jobs.items():
        assert job.wait() == code, job.log()
        assert job.show("Restarts") == "0"
        assert last_line(job).startswith(f"exit code {code}: ")
    noted = notes.read_text()
    assert "module load python cuda" in noted
    contained = [line for line in noted.splitlines() if line.startswith("exec --nv --bind ")]
    assert len(contained) == 2  # Ray and the program
    assert all("/data:/data --pwd " in line for line in contained)
    assert noted.count("--container-image=registry#image:1") == 2
    slurm.wait_until_empty()


@pytest.mark.soak
def test_array_joins_what_succeeded_and_names_what_failed(
    slurm: Cluster, submit: Submitter, endpoints: dict[str, FakeOpenAI], tiny_models: list[Path]
) -> None:
    folder = submit.folder / "array"
    folder.mkdir()
    broken = shutil.copytree(tiny_models[0], folder / "broken")
    (broken / "model.safetensors").write_bytes(b"\xff" * 100)
    url = endpoints["model"].url
    (folder / "models.txt").write_text(
        f"# three and one\n--model one --openai-api-base {url}\n\n{broken}\r\n"
        f"--model org/two --openai-api-base {url}\n--model org/two --model-id three --openai-api-base {url}"
    )
    said = slurm.run(
        REPOSITORY / "slurm" / "array.sh", "models.txt", "--cpus-per-task=1", "--", "--bench-name", BENCH,
        "--first-n", 2, "--output", "results", *judge(endpoints["judge"]), cwd=folder, env=submit.env,
    )  # fmt: skip
    number = said.split()[1].rstrip(":")
    record = Path(said.strip().rpartition(": ")[2])
    summary = Job(slurm, folder, str(int(number) + 1))
    tasks = [Job(slurm, folder, f"{number}_{task}") for task in range(4)]
    assert [task.wait() for task in tasks] == [0, 1, 0, 0], (record / "1.log").read_text()
    assert summary.wait() == 1
    text = (record / "summary.log").read_text()
    assert [name in text for name in ("one", "two", "three")] == [True] * 3
    named = [line for line in text.splitlines() if "is not complete" in line]
    assert len(named) == 1
    assert f"broken is not complete: the run failed, see above in its log ({record}/1.log)" in named[0]
    for name in ("one", "two", "three"):
        assert check_run(folder / "results" / name, BENCH, questions=2) == {"turns": 4, "scored": 4}


def test_gpus_that_lie_unevenly_are_refused(submit: Submitter) -> None:
    job = submit("uneven", "--nodes=2 --gpus=3")
    assert job.wait() == 2
    assert "ask with --gpus-per-node" in job.log()


@pytest.mark.parametrize("script", ["eval.sh", "array.sh"])
def test_key_among_the_arguments_is_refused(script: str, tmp_path: Path) -> None:
    (tmp_path / "models.txt").write_text("org/model\n")
    arguments = ["--judge-model", "m", "--judge-api-key", KEY]
    result = subprocess.run(
        [REPOSITORY / "slurm" / script, *(["models.txt", "--"] if script == "array.sh" else []), *arguments],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "1"}, text=True, capture_output=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert "pass env:NAME or file:PATH" in result.stderr
    assert KEY not in result.stdout + result.stderr


@pytest.mark.parametrize("key", [f"--openai-api-key {KEY}", f"--openai-api-key={KEY}"])
def test_key_in_a_line_of_models_is_refused(tmp_path: Path, key: str) -> None:
    line = f"--model m --openai-api-base http://127.0.0.1:9/v1 {key}"
    (tmp_path / "models.txt").write_text(f"{line}\n")
    env = {"PATH": "/usr/bin:/bin"}
    task = {"SLURM_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "0", "EVAL_MODELS": line, "EVAL_RECORD": str(tmp_path)}
    for command, variables in ((["array.sh", "models.txt", "--"], env), (["eval.sh"], env | task)):
        result = subprocess.run(
            [REPOSITORY / "slurm" / command[0], *command[1:]],
            cwd=tmp_path, env=variables, text=True, capture_output=True,
        )  # fmt: skip
        assert result.returncode == 2
        assert "pass env:NAME or file:PATH" in result.stderr
        assert KEY not in result.stdout + result.stderr


def test_models_are_named_by_options_with_equals_signs_too(tmp_path: Path) -> None:
    (tmp_path / "models.txt").write_text(
        "org/one --model-id=first --judge-api-key=env:KEY\n--model=org/two --openai-api-base=http://a/v1?x=y\n"
    )
    (tmp_path / "sbatch").write_text('#!/bin/bash\nprintf "%s\\n" "$*" "$EVAL_MODELS" >>calls\necho 7\n')
    (tmp_path / "sbatch").chmod(0o755)
    result = subprocess.run(
        [REPOSITORY / "slurm" / "array.sh", "models.txt", "--"],
        cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, text=True, capture_output=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    calls = (tmp_path / "calls").read_text()
    assert "--model-path org/one --model-id first --judge-api-key env:KEY --output outputs/first\n" in calls
    assert "--model org/two --openai-api-base http://a/v1?x=y --output outputs/two\n" in calls
    assert "show --output outputs/first --output outputs/two\n" in calls


def test_array_refuses_two_models_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "models.txt").write_text("org/model\nother/model\n")
    result = subprocess.run(
        [REPOSITORY / "slurm" / "array.sh", "models.txt", "--"], cwd=tmp_path, text=True, capture_output=True
    )
    assert result.returncode == 2
    assert "--model-id" in result.stderr


def test_doctor_is_a_job(submit: Submitter, endpoints: dict[str, FakeOpenAI]) -> None:
    if "doctor" not in _COMMANDS:
        pytest.skip("this version has no mtbench-ko doctor yet")
    job = submit(
        "doctor", "--nodes=1", "doctor", "--bench-name", BENCH, *model(endpoints["model"]), *judge(endpoints["judge"])
    )
    assert job.wait() == 0, job.log()


def test_scripts_pass_shellcheck() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("needs shellcheck: make system-packages")
    result = subprocess.run(["shellcheck", *SCRIPTS], text=True, capture_output=True)
    assert result.returncode == 0, result.stdout
