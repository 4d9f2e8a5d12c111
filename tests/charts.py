"""The chart, rendered by real helms and checked as Kubernetes and KubeRay would."""

import gzip
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from conftest import REPOSITORY, SHARED_DATA

CHART = REPOSITORY / "deploy" / "helm" / "mtbench-ko"
HELMS = [REPOSITORY / ".cache" / "helm" / name for name in ("helm-3.17.2", "helm-4.1.4")]
SCENARIOS = sorted((CHART / "ci").glob("*-values.yaml"))
Object = dict[str, Any]


def helm(binary: Path, *arguments: object, values: Object | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm; `values` are given as a file, whose place in `arguments` is the last."""
    if values is not None:
        arguments = (*arguments, "-f", "-")
    text = None if values is None else yaml.safe_dump(values)
    return subprocess.run([binary, *map(str, arguments)], input=text, text=True, capture_output=True)


def render(binary: Path, *files: Path, values: Object | None = None, kube: str = "1.34.0") -> list[Object]:
    """The objects that `helm template` makes of the chart for release `eval`."""
    options = [part for file in files for part in ("-f", file)]
    result = helm(binary, "template", "eval", CHART, "--kube-version", kube, *options, values=values)
    assert result.returncode == 0, result.stderr
    return [found for found in yaml.safe_load_all(result.stdout) if found]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [found for found in objects if found["kind"] == kind]


def is_hook(found: Object) -> bool:
    return "helm.sh/hook" in found["metadata"].get("annotations", {})


def work(objects: list[Object]) -> Object:
    """The Job or RayJob that does the work."""
    return next(found for found in objects if found["kind"] in ("Job", "RayJob") and not is_hook(found))


def pod_specs(objects: list[Object]) -> list[tuple[Object, Object]]:
    """Labels and spec of every pod that the objects would become."""
    pods = [(found["metadata"], found["spec"]) for found in of_kind(objects, "Pod")]
    templates = [found["spec"]["template"] for found in of_kind(objects, "Job")]
    for job in of_kind(objects, "RayJob"):
        cluster = job["spec"]["rayClusterSpec"]
        templates += [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
        templates += [job["spec"]["submitterPodTemplate"]] if "submitterPodTemplate" in job["spec"] else []
    pods += [(template["metadata"], template["spec"]) for template in templates]
    return [(metadata["labels"], spec) for metadata, spec in pods]


def containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", []), *spec["containers"]]


@cache
def ray_job_schema() -> jsonschema.Draft202012Validator | None:
    """KubeRay's RayJob with unknown fields forbidden; None where the data is not there."""
    file = SHARED_DATA / "kuberay" / "rayjob-v1.7.0.schema.json.gz"
    if not file.exists():
        return None
    return jsonschema.Draft202012Validator(json.loads(gzip.decompress(file.read_bytes())))


def schema_faults(objects: list[Object], kube: str) -> list[str]:
    """What Kubernetes `kube` would refuse in the objects: unknown fields, wrong types, missing fields."""
    faults = []
    for found in objects:
        name = f"{found['kind']}/{found['metadata']['name']}"
        if found["kind"] == "RayJob":
            if validator := ray_job_schema():
                faults += [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(found)]
            continue
        try:
            kubernetes_validate.validate(found, kube, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            faults.append(f"{name}: {error!r}")
    return faults
