"""The Helm chart: every scenario renders to objects that Kubernetes takes, wrong values are refused by name."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_checks import faults
from charts import (
    CHART,
    HELMS,
    SCENARIOS,
    Object,
    helm,
    is_hook,
    of_kind,
    pod_specs,
    ray_job_schema,
    render,
    schema_faults,
    work,
)
from conftest import REPOSITORY

from mtbench_ko.config import load_config

OLDEST = {"job": "1.29", "indexed": "1.31", "rayjob": "1.29"}
NEWEST = "1.37"
CANARY = "sk-canary-5d1f0c"
LATEST = HELMS[-1]
SHARED = {"output": {"persistence": {"accessModes": ["ReadWriteMany"]}}}  # for the modes with several pods

pytestmark = pytest.mark.skipif(not all(binary.exists() for binary in HELMS), reason="needs the helms of 'make helm'")


def scenario(name: str) -> Path:
    return CHART / "ci" / f"{name}-values.yaml"


def elsewhere(values: Any) -> set[str]:
    """The Secrets, claims and ConfigMaps that values say exist."""
    found = set()
    if isinstance(values, dict):
        names = ("existingClaim", "secretName", "configMapName")
        found |= {value for key, value in values.items() if key in names and value}
        values = list(values.values())
    if isinstance(values, list):
        found |= {name for value in values for name in elsewhere(value)}
    return found


@pytest.mark.parametrize("binary", HELMS, ids=lambda path: path.name)
def test_chart_passes_strict_lint_and_packs(binary: Path, tmp_path: Path) -> None:
    for options in ([], *(["-f", file] for file in SCENARIOS)):
        result = helm(binary, "lint", "--strict", CHART, *options)
        assert result.returncode == 0, result.stdout
    assert helm(binary, "package", CHART, "-d", tmp_path).returncode == 0


@pytest.mark.parametrize("file", [None, *SCENARIOS], ids=lambda path: path.name if path else "values.yaml alone")
def test_scenario_renders_to_what_kubernetes_and_kuberay_take(file: Path | None) -> None:
    values = yaml.safe_load(file.read_text()) if file else {}
    oldest = OLDEST[values.get("mode", "job")]
    rendered = []
    for binary in HELMS:
        for kube in (oldest, NEWEST):
            objects = render(binary, *([file] if file else []), kube=f"{kube}.0")
            assert schema_faults(objects, kube) == []
            assert faults(objects, elsewhere(values)) == []
            rendered.append(objects)
    assert all(objects == rendered[0] for objects in rendered)
    settings = of_kind(rendered[0], "ConfigMap")[0]["data"]["run.yaml"]
    assert load_config(yaml.safe_load(settings)).output == values.get("output", {}).get("url") or "/output"


def test_rayjob_is_checked_against_kuberays_own_schema() -> None:
    schema = ray_job_schema()
    if schema is None:
        pytest.skip("no KubeRay schema (set MTBENCH_KO_UPSTREAM_DATA)")
    job = work(render(LATEST, scenario("rayjob")))
    job["spec"]["ttlSecondsAfterFinished"] = "600"
    job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-gpus"] = 0
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["resourses"] = {}
    assert len(list(schema.iter_errors(job))) == 3


@cache
def two_nodes() -> list[Object]:
    return render(LATEST, scenario("two-nodes"))


def broken(objects: list[Object], change: Callable[[Object], None]) -> list[Object]:
    """The objects with one thing wrong in the Job."""
    changed = deepcopy(objects)
    change(work(changed))
    return changed


def container(job: Object) -> Object:
    return job["spec"]["template"]["spec"]["containers"][0]  # type: ignore[no-any-return]


BROKEN: dict[str, Callable[[Object], None]] = {
    "a mount without a volume": lambda job: job["spec"]["template"]["spec"]["volumes"].pop(),
    "a Secret that nobody makes": lambda job: container(job)["env"][-2]["valueFrom"]["secretKeyRef"].update(name="x"),
    "a quantity": lambda job: container(job)["resources"]["limits"].update(memory="10Gib"),
    "half a GPU in the request": lambda job: container(job)["resources"]["requests"].update({"nvidia.com/gpu": 1}),
    "a pull policy": lambda job: container(job).update(imagePullPolicy="Sometimes"),
    "a name": lambda job: job["metadata"].update(name="Eval_1"),
    "a variable twice": lambda job: container(job)["env"].append({"name": "HOME", "value": "/"}),
    "restarts in place": lambda job: job["spec"]["template"]["spec"].update(restartPolicy="OnFailure"),
    "exit code 0": lambda job: job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"].update(values=[0, 2]),
    "a rule for no container": lambda job: job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"].update(
        containerName="main"
    ),
    "pods one after another": lambda job: job["spec"].update(parallelism=1),
    "no Service for the names": lambda job: job["spec"]["template"]["spec"].update(subdomain="other"),
    "root": lambda job: job["spec"]["template"]["spec"]["securityContext"].update(runAsNonRoot=False),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_checks_notice_what_schemas_do_not(fault: str) -> None:
    objects = two_nodes()
    exist = elsewhere(yaml.safe_load(scenario("two-nodes").read_text()))
    assert faults(objects, exist) == []
    assert faults(broken(objects, BROKEN[fault]), exist) != []


WRONG: list[tuple[str, Object]] = [
    ("mode", {"mode": "deployment"}),
    ("gpus", {"gpus": {"count": 8}}),
    ("count", {"gpu": {"count": "eight"}}),
    ("max_new_tokens", {"config": {"max_new_tokens": 512}}),
    ("max_new_token", {"config": {"max_new_token": "many"}}),
    ("judge_api_key", {"config": {"judge_api_key": CANARY}}),
    ("judge_api_base", {"config": {"judge_api_base": "https://user:password@judge.internal/v1"}}),
    ("url", {"output": {"url": "gs://eval/run"}}),
    ("OPENAI_API_KEY", {"keys": {"OPENAI_API_KEY": {"secretName": "openai"}}}),
    ("shmSize", {"shmSize": "16Gib"}),
    ("digest", {"image": {"digest": "latest"}}),
    ("nodes", {"mode": "indexed", "nodes": 1}),
    ("submissionMode", {"mode": "rayjob", "rayjob": {"submissionMode": "SidecarMode"}}),
    ("fullnameOverride", {"fullnameOverride": "a-name-that-leaves-no-room-for-the-hash-of-a-job"}),
    ("extraEnv", {"extraEnv": [{"name": "JUDGE_API_KEY", "value": CANARY}]}),
    ("extraEnv.HF_TOKEN", {"extraEnv": [{"name": "HF_TOKEN", "value": CANARY}]}),
    ("output.persistence.accessModes", {"mode": "indexed"}),
    ("extraEnv.HTTPS_PROXY", {"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://user:password@proxy:3128"}]}),
    ("terminationGracePeriodSeconds", {"terminationGracePeriodSeconds": 30}),
    ("config.num_gpus_per_model", {"gpu": {"count": 4}, "config": {"num_gpus_per_model": 8}}),
]


@pytest.mark.parametrize("binary", HELMS, ids=lambda path: path.name)
@pytest.mark.parametrize(("key", "values"), WRONG, ids=[key for key, _ in WRONG])
def test_wrong_values_are_refused_with_the_key_named(binary: Path, key: str, values: Object) -> None:
    result = helm(binary, "template", "eval", CHART, values=values)
    assert result.returncode != 0
    assert key in result.stderr


@pytest.mark.parametrize(("kube", "mode"), [("1.28.0", "job"), ("1.30.0", "indexed")])
def test_kubernetes_that_is_too_old_is_refused(kube: str, mode: str) -> None:
    result = helm(LATEST, "template", "eval", CHART, "--kube-version", kube, "--set", f"mode={mode}")
    assert result.returncode != 0
    assert kube.rpartition(".")[0] in result.stderr


def test_chart_knows_exactly_the_settings_of_the_program() -> None:
    script = REPOSITORY / "deploy" / "helm" / "settings_schema.py"
    spec = importlib.util.spec_from_file_location("settings_schema", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["properties"]["config"] == module.settings_schema(), f"run: python {script.relative_to(REPOSITORY)}"


def test_readme_explains_every_value() -> None:
    def keys(values: Object, path: str = "") -> Iterator[str]:
        for key, value in values.items():
            yield from keys(value, f"{path}{key}.") if isinstance(value, dict) and value else [f"{path}{key}"]

    readme = (CHART / "README.md").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    groups = ("resources", "podSecurityContext", "securityContext", "config", "rayjob.head", "rayjob.submitter")
    wanted = {next((group for group in groups if key.startswith(f"{group}.")), key) for key in keys(values)}
    wanted = {"rayjob.operatorPodLabels" if key.startswith("rayjob.operatorPodLabels") else key for key in wanted}
    assert {key for key in wanted if f"`{key}`" not in readme} == set()


@pytest.mark.parametrize("mode", ["job", "indexed", "rayjob"])
def test_no_secret_is_rendered_but_in_secrets(mode: str) -> None:
    keys = {
        "OPENAI_API_KEY": CANARY,
        "HF_TOKEN": f"{CANARY}-hub",
        "AWS_SECRET_ACCESS_KEY": {"secretName": "s3", "secretKey": "k"},
    }
    objects = render(LATEST, values=SHARED | {"mode": mode, "keys": keys})
    open_objects = [found for found in objects if found["kind"] != "Secret"]
    assert "canary" not in yaml.safe_dump(open_objects)
    assert set(of_kind(objects, "Secret")[0]["data"]) == {"OPENAI_API_KEY", "HF_TOKEN"}
    assert faults(objects, {"s3"}) == []


@pytest.mark.parametrize("mode", ["job", "indexed", "rayjob"])
def test_job_is_another_one_when_and_only_when_its_pods_change(mode: str) -> None:
    def name(**values: Any) -> str:
        return str(work(render(LATEST, values=SHARED | {"mode": mode} | values))["metadata"]["name"])

    first = name()
    changes = [{"config": {"max_new_token": 9}}, {"image": {"tag": "2"}}, {"gpu": {"count": 2}}, {"rerun": "2"}]
    changes += [{"podLabels": {"team": "a"}}, {"extraEnv": [{"name": "TOKENIZERS_PARALLELISM", "value": "false"}]}]
    assert len({first, *(name(**change) for change in changes)}) == 1 + len(changes)
    job = {"suspend": True, "backoffLimit": 1, "activeDeadlineSeconds": 60}
    assert name(job=job, kueue={"queueName": "q"}, networkPolicy={"enabled": False}) == first


def test_exit_codes_and_disruptions_meet_the_right_rule() -> None:
    spec = work(render(LATEST, scenario("spot")))["spec"]
    disruption, final = spec["podFailurePolicy"]["rules"]
    assert (disruption["action"], disruption["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (final["action"], final["onExitCodes"]["values"]) == ("FailJob", [2, 3, 4])
    assert spec["backoffLimit"] == 20  # for the others, 75 among them
    pod = spec["template"]["spec"]
    grace = yaml.safe_load(of_kind(render(LATEST, scenario("spot")), "ConfigMap")[0]["data"]["run.yaml"])
    assert pod["terminationGracePeriodSeconds"] >= grace["grace_seconds"] + 10


def test_kueue_finds_its_queue_on_the_job_alone() -> None:
    objects = render(LATEST, scenario("kueue"))
    queue = "kueue.x-k8s.io/queue-name"
    assert work(objects)["metadata"]["labels"][queue] == "gpu-queue"
    assert all(queue not in labels for labels, _ in pod_specs(objects))


def test_air_gapped_pod_asks_nobody() -> None:
    objects = render(LATEST, scenario("air-gapped"))
    policy = of_kind(objects, "NetworkPolicy")[0]["spec"]
    reached = [target for rule in policy["egress"] for target in rule.get("to", [])]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all("podSelector" in target for target in reached)
    for _, spec in pod_specs(objects):
        env = {variable["name"]: variable.get("value") for variable in spec["containers"][0]["env"]}
        assert (env["HF_HUB_OFFLINE"], env["TRANSFORMERS_OFFLINE"]) == ("1", "1")


@pytest.mark.parametrize("name", ["single-gpu", "two-nodes", "rayjob"])
def test_helm_test_runs_doctor_with_the_settings_and_on_as_many_pods_as_the_job(name: str) -> None:
    objects = render(LATEST, scenario(name))
    (hook,) = (found for found in objects if is_hook(found))
    pods = hook["spec"].get("completions", 1)
    (doctor,) = (hook["spec"]["template"]["spec"] if hook["kind"] == "Job" else hook["spec"])["containers"]
    job = work(objects)["spec"]
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert doctor["args"] == ["doctor", "--config", "/etc/mtbench-ko/run.yaml"]
    if name == "rayjob":
        (group,) = job["rayClusterSpec"]["workerGroupSpecs"]
        worker, count = group["template"]["spec"]["containers"][0], group["replicas"]
    else:
        worker, count = job["template"]["spec"]["containers"][0], job["completions"]
        assert doctor["env"] == worker["env"]
    assert pods == count
    assert all(doctor[part] == worker[part] for part in ("image", "resources", "volumeMounts"))
