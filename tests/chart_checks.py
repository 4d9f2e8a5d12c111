"""What no schema of Kubernetes says and its API server, its controllers or KubeRay refuse or stumble over."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from charts import Object, containers, is_hook, of_kind, pod_specs

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_VOLUME_SOURCES = ("persistentVolumeClaim", "configMap", "secret", "emptyDir")


def faults(objects: list[Object], elsewhere: set[str]) -> list[str]:
    """Everything wrong with rendered objects; `elsewhere` names the Secrets, claims and ConfigMaps that exist."""
    return [*_names(objects), *_references(objects, elsewhere), *_pods(objects), *_jobs(objects), *_ray_jobs(objects)]


def _names(objects: list[Object]) -> Iterator[str]:
    named = Counter((found["kind"], found["metadata"]["name"]) for found in objects)
    for (kind, name), count in named.items():
        if count > 1:
            yield f"{kind}/{name} is there {count} times"
        # An Indexed Job's pods are named <job>-<index>, and KubeRay adds more than that to a RayJob's.
        if not _NAME.fullmatch(name) or len(name) > (47 if kind in ("Job", "RayJob") else 63) or name[0].isdigit():
            yield f"{kind}/{name} is no name"
    for found in objects:
        for value in found["metadata"]["labels"].values():
            if len(value) > 63:
                yield f"label {value} is too long"


def _references(objects: list[Object], elsewhere: set[str]) -> Iterator[str]:
    there = {found["metadata"]["name"] for found in objects} | elsewhere | {"default"}
    for _, spec in pod_specs(objects):
        wanted = {spec["serviceAccountName"]}
        for volume in spec["volumes"]:
            source = next(volume[kind] for kind in _VOLUME_SOURCES if kind in volume)
            wanted |= {source[key] for key in ("claimName", "name", "secretName") if key in source}
        for variable in (variable for container in containers(spec) for variable in container.get("env", [])):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                wanted.add(variable["valueFrom"]["secretKeyRef"]["name"])
        yield from (f"{name} is used and is nowhere" for name in wanted - there)


def _pods(objects: list[Object]) -> Iterator[str]:
    for _, spec in pod_specs(objects):
        volumes = Counter(volume["name"] for volume in spec["volumes"])
        mounted = {mount["name"] for container in containers(spec) for mount in container["volumeMounts"]}
        if set(volumes) != mounted or max(volumes.values()) > 1:
            yield f"volumes {sorted(volumes)}, mounts {sorted(mounted)}"
        security = spec["securityContext"]
        if not security["runAsNonRoot"] or security["seccompProfile"] != {"type": "RuntimeDefault"}:
            yield f"security context {security}: not what Pod Security's restricted asks for"
        for container in containers(spec):
            yield from (f"{container['name']}: {fault}" for fault in _container(container))


def _container(container: Object) -> Iterator[str]:
    if container["securityContext"] != _RESTRICTED:
        yield f"security context {container['securityContext']}"
    variables = Counter(variable["name"] for variable in container.get("env", []))
    yield from (f"{name} is set twice" for name, count in variables.items() if count > 1)
    paths = Counter(mount["mountPath"] for mount in container["volumeMounts"])
    yield from (f"{path} is mounted twice" for path, count in paths.items() if count > 1)
    if container["imagePullPolicy"] not in ("Always", "IfNotPresent", "Never"):
        yield f"imagePullPolicy {container['imagePullPolicy']}"
    limits, requests = (container["resources"].get(kind, {}) for kind in ("limits", "requests"))
    for name, amount in [*limits.items(), *requests.items()]:
        if not _QUANTITY.fullmatch(str(amount)):
            yield f"{name}: {amount} is no quantity"
        if "/" in name and (name not in limits or limits[name] != requests.get(name, limits[name])):
            yield f"{name}: a device's request must be its limit"


def _jobs(objects: list[Object]) -> Iterator[str]:
    for job in of_kind(objects, "Job"):
        spec, template = job["spec"], job["spec"]["template"]
        pod = template["spec"]
        if pod["restartPolicy"] != "Never":
            yield "podFailurePolicy needs restartPolicy Never"
        if not is_hook(job) and "checksum/config" not in template["metadata"]["annotations"]:
            yield "changed settings would not make another Job"
        for rule in [] if is_hook(job) else spec["podFailurePolicy"]["rules"]:
            codes = rule.get("onExitCodes", {"containerName": pod["containers"][0]["name"], "values": [1]})
            if codes["containerName"] not in {container["name"] for container in pod["containers"]}:
                yield f"podFailurePolicy names {codes['containerName']}"
            if codes["values"] != sorted(set(codes["values"])) or 0 in codes["values"]:
                yield f"exit codes {codes['values']}: not sorted, not unique, or 0"
        if spec["completions"] != spec["parallelism"]:
            yield "the pods would not run together"
        if spec["completionMode"] == "Indexed":
            services = {service["metadata"]["name"]: service["spec"] for service in of_kind(objects, "Service")}
            service: Any = services.get(pod.get("subdomain"), {"clusterIP": "", "selector": {"": ""}})
            if (
                service["clusterIP"] != "None"
                or not service["selector"].items() <= template["metadata"]["labels"].items()
            ):
                yield "no headless Service gives the pods their names"


def _ray_jobs(objects: list[Object]) -> Iterator[str]:
    """What KubeRay's own validation asks for."""
    for job in of_kind(objects, "RayJob"):
        spec = job["spec"]
        cluster = spec["rayClusterSpec"]
        if not spec["shutdownAfterJobFinishes"] or spec["ttlSecondsAfterFinished"] < 0:
            yield "suspend and Kueue need shutdownAfterJobFinishes, and a ttl of 0 or more"
        if spec["submissionMode"] not in ("K8sJobMode", "HTTPMode"):
            yield f"submissionMode {spec['submissionMode']}"
        if ("submitterPodTemplate" in spec) != (spec["submissionMode"] == "K8sJobMode"):
            yield "only K8sJobMode has a submitter"
        if cluster["headGroupSpec"]["rayStartParams"]["num-gpus"] != "0":
            yield "work would be placed on the head"
        for group in cluster["workerGroupSpecs"]:
            if not group["minReplicas"] == group["replicas"] == group["maxReplicas"] > 0:
                yield "a group of fixed size has minReplicas = replicas = maxReplicas"
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            container = group["template"]["spec"]["containers"][0]
            if not {"readinessProbe", "livenessProbe"} <= container.keys():
                yield f"{container['name']}: KubeRay's own probes need wget"
