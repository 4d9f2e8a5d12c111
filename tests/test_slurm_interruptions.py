"""Jobs of slurm/eval.sh that are requeued, preempted, timed out, cancelled, or lose Ray: on a real Slurm.

They run beside each other, for each spends most of its time waiting.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from conftest import REPOSITORY, Program
from fake_openai import FakeOpenAI, judge_reply
from run_checks import BENCH, QUESTIONS, arguments, check_run, read_jsonl
from slurm_cluster import Cluster, Job, Submitter

pytestmark = pytest.mark.soak  # eight minutes on two busy cores, most of it Slurm's own time limits
Jobs = dict[str, Job]


class Work:
    """A job whose endpoints answer slowly until told otherwise."""

    def __init__(self, slurm: Cluster, stack: ExitStack, seconds: float) -> None:
        self.fakes = [FakeOpenAI(latency=seconds), FakeOpenAI(reply=judge_reply, latency=seconds)]
        for fake in self.fakes:
            stack.enter_context(slurm.endpoint(fake))

    def arguments(self) -> list[object]:
        return [*arguments(*self.fakes), "--parallel", 2, "--judge-parallel", 2]

    def hurry(self) -> None:
        for fake in self.fakes:
            fake.latency = 0


@pytest.fixture(scope="module")
def interrupted(slurm: Cluster, submit: Submitter) -> Iterator[Jobs]:
    """Four jobs on the same nodes, each interrupted in its own way once it has results; all have ended."""
    shapes = {
        "requeued": "--nodelist=node1",
        "preempted": "--nodelist=node1 --gpus-per-node=2",
        "timed-out": "--nodelist=node2 --time=2 --signal=B:USR1@60",
        "cancelled": "--nodes=2",
    }
    with ExitStack() as stack:
        works = {name: Work(slurm, stack, seconds=4) for name in shapes}
        jobs = {name: submit(name, shape, *works[name].arguments()) for name, shape in shapes.items()}
        jobs["requeued"].wait_for_lines(4)
        slurm.run("scontrol", "requeue", jobs["requeued"].number)
        works["requeued"].hurry()
        jobs["preempted"].wait_for_lines(4)
        urgent = "--partition=urgent --nodelist=node1 --gpus-per-node=1 --output=/dev/null --wrap=true"
        slurm.run("sbatch", *urgent.split())
        works["preempted"].hurry()
        jobs["cancelled"].wait_for_lines(8)
        slurm.run("scancel", jobs["cancelled"].number)
        timed_out = jobs["timed-out"]
        timed_out.wait_until(lambda: timed_out.show("Restarts") != "0", "its time limit")
        slurm.run("scontrol", "update", f"JobId={timed_out.number}", "TimeLimit=60")  # one limit was enough
        works["timed-out"].hurry()
        for job in jobs.values():
            job.wait()
        slurm.wait_until_empty()
        yield jobs


@pytest.mark.parametrize("how", ["requeued", "preempted", "timed-out"])
def test_interrupted_job_goes_on_and_redoes_nothing(interrupted: Jobs, how: str) -> None:
    job = interrupted[how]
    assert job.wait() == 0, job.log()
    assert job.show("JobState") == "COMPLETED"
    assert int(job.show("Restarts")) >= 1
    assert check_run(job.folder / "outputs", BENCH, questions=QUESTIONS) == {"turns": 32, "scored": 32}
    assert job.log().strip().endswith(f"exit code 0: complete; results: outputs/{BENCH}")


def test_cancelled_job_stays_cancelled_with_its_results_readable(interrupted: Jobs, program: Program) -> None:
    job = interrupted["cancelled"]
    assert job.show("JobState") == "CANCELLED", job.log()
    assert job.show("Restarts") == "0"
    assert len(read_jsonl(job.folder / "outputs" / "_state" / "journal.jsonl")) >= 8
    shown = program("show", "--bench-name", BENCH, "--output", job.folder / "outputs", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    assert list(json.loads(shown.stdout)["models"]) == ["model"]


def test_interrupted_jobs_leave_no_files_on_the_nodes(slurm: Cluster, interrupted: Jobs) -> None:
    assert [slurm.temporary_folders(node) for node in ("node1", "node2")] == [[], []]


@pytest.fixture(scope="module")
def broken(slurm: Cluster, submit: Submitter, interrupted: Jobs) -> Iterator[Jobs]:
    """Jobs on two nodes that lose a part of Ray, or never get it; all have ended."""
    with ExitStack() as stack:
        works = {name: Work(slurm, stack, seconds=4) for name in ("worker", "head", "never")}
        # A node where `ray start` hangs: the shell function stands before the program.
        hangs = '() { [ "$SLURMD_NODENAME" = node1 ] || exec sleep 1000; command ray "$@"; }'
        variables = {"never": {"BASH_FUNC_ray%%": hangs, "EVAL_RAY_WAIT": "3"}}
        jobs = {
            name: submit(name, "--nodes=2", *work.arguments(), env=variables.get(name)) for name, work in works.items()
        }
        for name, node, victim in (("worker", "node2", "raylet/raylet"), ("head", "node1", "gcs_server")):
            job = jobs[name]
            job.wait_for_lines(2)
            folder = f"/mtb-{job.number}.0/"
            found = [p.pid for p in slurm.processes(node) if victim in p.command.split()[0] and folder in p.command]
            assert len(found) == 1
            os.kill(found[0], signal.SIGKILL)
        for job in jobs.values():
            job.wait()
        slurm.wait_until_empty()
        yield jobs


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("worker", "Ray ended on node2"),
        ("head", "Ray ended on node1"),
        ("never", "node2 did not join Ray within"),
    ],
)
def test_lost_ray_ends_the_job_with_the_reason(broken: Jobs, lost: str, message: str) -> None:
    job = broken[lost]
    assert job.wait() == 1, job.log()
    assert job.show("Restarts") == "0"
    assert message in job.log()
    assert "exit code 1: the run failed" in job.log()
    if lost != "never":
        assert "Ray is gone" in job.log()
        assert len(read_jsonl(job.folder / "outputs" / "_state" / "journal.jsonl")) >= 2


def test_node_that_slurm_cannot_reach_ends_the_job_with_its_name(slurm: Cluster, submit: Submitter) -> None:
    slurmd = slurm.slurmd("node2")
    os.kill(slurmd, signal.SIGSTOP)
    try:
        job = submit("unreachable", "--nodes=2", "--bench-name", BENCH, "--model", "m")
        assert job.wait() == 1
    finally:
        os.kill(slurmd, signal.SIGCONT)
    assert "node2" in job.log().partition("Ray is gone")[0].partition("error")[2]
    slurm.wait_until_empty()


def test_ray_that_does_not_start_is_tried_again(submit: Submitter) -> None:
    """As on a file system so slow that Ray's helpers miss their 15 s."""
    fails_once = """() { [ -e "$EVAL_FOLDER/once" ] || {
        touch "$EVAL_FOLDER/once"
        (until pid=$(pgrep -f "raylet/raylet .*$EVAL_FOLDER"); do sleep 0.1; done; kill -KILL $pid) &
    }; command ray "$@"; }"""
    job = submit("again", "--nodes=1", "--bench-name", "no_such_bench", env={"BASH_FUNC_ray%%": fails_once})
    assert job.wait() == 2, job.log()
    assert "Ray did not start on node1, try 1 of 3" in job.log()
    assert "Ray is up on 1 nodes" in job.log()


def test_array_task_requeues_alone(slurm: Cluster, submit: Submitter) -> None:
    """Also the last one, whose job id is the whole array's."""
    with ExitStack() as stack:
        work = Work(slurm, stack, seconds=2)
        folder = submit.folder / "tasks"
        folder.mkdir()
        (folder / "models.txt").write_text("--model-id one\n--model-id two\n")
        said = slurm.run(
            REPOSITORY / "slurm" / "array.sh", "models.txt", "--cpus-per-task=1", "--", *work.arguments(),
            cwd=folder, env=submit.env,
        )  # fmt: skip
        number = said.split()[1].rstrip(":")
        tasks = [Job(slurm, folder, f"{number}_{task}") for task in range(2)]
        journal = folder / "outputs" / "two" / "_state" / "journal.jsonl"
        tasks[1].wait_until(lambda: journal.exists() and len(journal.read_bytes()) > 0, "its first turn")
        slurm.run("scancel", "--batch", "--signal=USR1", tasks[1].number)
        assert [task.wait() for task in tasks] == [0, 0]
        assert [task.show("Restarts") for task in tasks] == ["0", "1"]


def test_restarts_are_limited(slurm: Cluster, submit: Submitter) -> None:
    with ExitStack() as stack:
        work = Work(slurm, stack, seconds=4)
        job = submit("limited", "--nodes=1", *work.arguments(), env={"EVAL_MAX_RESTARTS": "1"})
        job.wait_for_lines(2)
        slurm.run("scancel", "--batch", "--signal=USR1", job.number)
        job.wait_until(lambda: job.show("Restarts") == "1", "its requeueing")
        job.wait_for_lines(len(read_jsonl(job.folder / "outputs" / "_state" / "journal.jsonl")) + 1)
        slurm.run("scancel", "--batch", "--signal=USR1", job.number)
        assert job.wait() == 75, job.log()
    assert "restarted 1 times already" in job.log()
